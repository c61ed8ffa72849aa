"""The README's picture: words that are not chosen by hand, and all there is to see of them."""

import io

import numpy as np
import pytest
from PIL import Image

from experiments import readme_picture
from experiments.readme_picture import COLUMNS, WORDS, choose_words, draw_picture
from hwr_jax.data.formats.synthetic import parse_synthetic
from hwr_jax.data.splits import split_of
from hwr_jax.errors import InputError
from hwr_jax.reader import Reading

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_the_words_are_the_first_of_the_first_test_writers():
    samples = choose_words(3)
    first = [sample for sample in parse_synthetic(writers=60, words_per_writer=1) if split_of(sample.writer) == "test"]
    assert [sample.id for sample in samples] == [sample.id for sample in first[:3]]
    assert [sample.text for sample in samples] == [sample.text for sample in first[:3]]


def colours(picture: Image.Image, column: int) -> set[tuple[int, ...]]:
    width = picture.width // COLUMNS
    card = picture.convert("RGBA").crop((column * width, 0, (column + 1) * width, picture.height))
    return {tuple(colour) for _, colour in card.getcolors(1 << 20)}


def test_right_and_wrong_can_be_told_apart():
    samples = choose_words(2)
    readings = [Reading(samples[0].text, 0.9), Reading(f"{samples[1].text[:-1]}", 0.9)]
    with Image.open(io.BytesIO(draw_picture(samples, readings))) as picture:
        right, wrong = (colours(picture, column) for column in (0, 1))
        assert np.asarray(picture.convert("RGBA"))[0, 0, 3] == 0  # Outside the cards the page shows.

    def near(found: set, colour: tuple[int, int, int]) -> bool:
        return any(max(abs(a - b) for a, b in zip(one, colour, strict=False)) < 24 for one in found if one[3])

    green, red = (0x1A, 0x7F, 0x37), (0xC8, 0x10, 0x2E)
    assert near(right, green)
    assert not near(right, red)
    assert near(wrong, red)
    assert not near(wrong, green)


def test_the_committed_picture_is_small(repository):
    path = repository / "docs" / "images" / "synthetic_words.png"
    assert path.stat().st_size < 150_000
    assert f"({path.relative_to(repository)})" in (repository / "README.md").read_text(encoding="utf-8")
    with Image.open(path) as picture, Image.open(io.BytesIO(draw_picture(*_unread(WORDS)))) as drawn:
        assert picture.size == drawn.size


def _unread(count: int):
    return choose_words(count), [Reading("", 0.0)] * count


def test_the_command(tmp_path, capsys):
    output = tmp_path / "picture.png"
    assert readme_picture.main([f"--output={output}"]) == 0
    assert "of 12 words read right by" in capsys.readouterr().out
    assert output.stat().st_size < 150_000
    with pytest.raises(InputError, match=r"must end in \.png"):
        readme_picture.main(["--output=picture.jpg"])
