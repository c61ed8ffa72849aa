"""Data sets by name."""

import inspect
from pathlib import Path

import pytest

from hwr_jax.data.formats.base import Format
from hwr_jax.data.formats.synthetic import SyntheticParams, parse_synthetic
from hwr_jax.data.formats.table import FORMATS, check_data_name, read_data
from hwr_jax.errors import InputError


def test_names() -> None:
    assert tuple(FORMATS)[:4] == ("synthetic", "synthetic_lines", "synthetic_pages", "unipen_words")
    assert {"iam_lines", "copiste_lines", "alto_lines", "manifest", "pairs", "hugging_face"} < set(FORMATS)
    for name in (*FORMATS, "manifest/letters", "pairs/My-2nd_try", "synthetic/writers3_words2_seed5"):
        assert check_data_name(name) is FORMATS[name.partition("/")[0]]


def test_a_format_of_ones_own_has_a_name_beside_the_others() -> None:
    own = Format("letters", parse_synthetic)
    assert check_data_name("letters/second", own) is own
    assert check_data_name("pairs", own) is FORMATS["pairs"]
    with pytest.raises(InputError, match="did you mean 'letters'"):
        check_data_name("leters", own)
    with pytest.raises(InputError, match="'My letters': a format's name is lower case letters"):
        Format("My letters", parse_synthetic)


def test_options_are_what_parsers_take() -> None:
    for format in FORMATS.values():
        parse = inspect.signature(format.parse)
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parse.parameters.values())
        assert takes_any or {option.name for option in format.options} <= set(parse.parameters)
        assert {"workers", "tell_total"} <= set(parse.parameters)


@pytest.mark.parametrize(
    "name", ["manifest/", "manifest/..", "manifest/a/b", "synthetic/mine", "manifest/1", "pairs/a b"]
)
def test_a_name_of_ones_own_is_one_plain_word(name: str) -> None:
    with pytest.raises(InputError, match="a name of your own looks like manifest/letters"):
        check_data_name(name)


def test_options_are_those_of_the_reader(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--text_column: alto_lines takes no such option; it takes --line_types"):
        read_data("alto_lines", tmp_path, workers=1, options={"text_column": "text"})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("unipen", "did you mean 'unipen_(words|lines)'"),
        ("iam", "did you mean 'iam_(words|lines)'"),
        ("?", "as in pairs/. or manifest/.\\); the formats are synthetic, "),
    ],
)
def test_a_wrong_name_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        read_data(name, None, workers=1)


def test_synthetic_data_need_no_source() -> None:
    shown: list[tuple[int, int | None]] = []
    params = SyntheticParams(writers=2, words_per_writer=3, seed=4)
    samples = list(read_data(params.data_name, None, workers=1, progress=lambda *now: shown.append(now)))
    assert shown == [(done, 6) for done in range(1, 7)]
    assert samples == list(parse_synthetic(writers=2, words_per_writer=3, seed=4))


@pytest.mark.parametrize("name", ["unipen_words", "iam_words"])
def test_raw_data_need_a_source_that_exists(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--source=PATH"):
        read_data(name, None, workers=1)
    with pytest.raises(InputError, match="nothing: no such file or folder"):
        next(read_data(name, tmp_path / "nothing", workers=1))
