import io

import numpy as np
import pytest
from PIL import Image

from hwr_jax.config import DataConfig
from hwr_jax.data.checks.check import CheckRules, check_data
from hwr_jax.data.checks.few_lines import check_few_lines, describe_holding_back
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.text.alphabet import Alphabet


def image(number: int) -> bytes:
    pixels = np.full((20, 60), 255, np.uint8)
    pixels[5:15, 4 : 10 + 2 * number] = 0
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


def find(samples, split: str = "line"):
    rules = CheckRules(DataConfig("pairs/mine", split=split), Alphabet("abc"), Preprocessing(16, 64), 16)
    return check_data(samples, rules)


def lines(*texts: str, numbers=None):
    return [
        Sample(f"{place}", text, f"{place}", image(number))
        for place, (text, number) in enumerate(zip(texts, numbers or range(len(texts)), strict=True))
    ]


def check(samples, **options):
    return check_few_lines("pairs/mine", find(samples), "model", **{"widen_alphabet": False, **options})


def test_ten_different_lines_are_fine():
    assert check(lines(*["abc"] * 10)) == []
    assert describe_holding_back(find(lines(*["abc"] * 10)), "line") == (
        "trains on 6 lines; holds back 2 to stop by and 2 to measure on (data.split=line)"
    )


@pytest.mark.parametrize("count", [1, 4])
def test_fewer_than_five_are_refused(count):
    with pytest.raises(InputError, match=rf"data 'pairs/mine': {count} lines?; adapting takes 5 or more"):
        check(lines(*["abc"] * count))


def test_lines_that_cannot_be_read_do_not_count_and_are_named_by_their_reason():
    skips = [Skip(f"skip{number}", "no such image") for number in range(3)]
    with pytest.raises(InputError, match=r"4 lines \(3 x no such image left out\)"):
        check([*lines(*["abc"] * 4), *skips])
    assert check([*lines(*["abc"] * 20), *skips]) == ["left out: 3 x no such image"]


def test_most_lines_must_serve():
    skips = [Skip(f"skip{number}", "no such image") for number in range(3)]
    with pytest.raises(InputError, match=r"3 of 9 lines cannot be used: 3 x no such image; hwr data check pairs/mine"):
        check([*lines(*["abc"] * 6), *skips])


def test_two_texts_of_one_image_are_refused_with_both():
    with pytest.raises(InputError, match=r"one image has two texts: 0 is 'a', as 1 'b'; correct one of them"):
        check(lines("a", "b", *["abc"] * 8, numbers=[0, 0, *range(1, 9)]))


def test_one_image_on_both_sides_is_refused():
    with pytest.raises(InputError, match=r"one image is both trained on and held back: 0 as .*; 8 more images are"):
        check(lines(*["abc"] * 10, numbers=[0] * 10))


def test_characters_that_the_model_does_not_know_are_named_unless_it_is_to_learn_them():
    samples = lines("aé", "bß", *["abc"] * 8)
    with pytest.raises(
        InputError, match=r"2 labels of 10 have characters that model does not know: 'é' 'ß'; give --wi"
    ):
        check(samples)
    assert check(samples, widen_alphabet=True) == []
