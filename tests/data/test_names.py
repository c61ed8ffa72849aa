"""Data sets by name."""

from pathlib import Path

import pytest

from hwr_jax.data.formats.synthetic import read_synthetic
from hwr_jax.data.names import DATA_NAMES, SyntheticParams, check_data_name, read_data
from hwr_jax.errors import InputError


def test_names() -> None:
    assert DATA_NAMES == ("synthetic", "unipen_words", "iam_words")
    assert [check_data_name(name) for name in DATA_NAMES] == list(DATA_NAMES)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("unipen", "did you mean unipen_words"),
        ("iam", "did you mean iam_words"),
        ("?", "the data sets are synthetic, "),
    ],
)
def test_a_wrong_name_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        read_data(name, None, workers=1)


def test_synthetic_data_need_no_source() -> None:
    totals: list[int] = []
    params = SyntheticParams(writers=2, words_per_writer=3, seed=4)
    samples = list(read_data("synthetic", None, workers=1, synthetic=params, tell_total=totals.append))
    assert totals == [len(samples)] == [6]
    assert samples == list(read_synthetic(writers=2, words_per_writer=3, seed=4))


@pytest.mark.parametrize("name", ["unipen_words", "iam_words"])
def test_raw_data_need_a_source_that_exists(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--source=PATH"):
        read_data(name, None, workers=1)
    with pytest.raises(InputError, match="nothing: no such file or folder"):
        next(read_data(name, tmp_path / "nothing", workers=1))
