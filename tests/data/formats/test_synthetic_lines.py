"""Lines of a text by synthetic writers."""

from pathlib import Path

import pytest

from hwr_jax.data.formats.synthetic_lines import parse_synthetic_lines
from hwr_jax.data.sample import Sample
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey

TEXT = "In the beginning was a short text;\nit says été and so on, again and again. " * 6


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def lines_of(source: Path, workers: int = 1, **options) -> list[Sample]:
    outcomes = list(parse_synthetic_lines(source, workers=workers, **options))
    samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    assert len(samples) == len(outcomes)
    return samples


def test_lines_are_the_text_without_words_that_writers_cannot_write(text: Path) -> None:
    totals: list[int] = []
    lines = lines_of(text, tell_total=totals.append)
    assert totals == [len(lines)]
    assert [word for line in lines for word in line.text.split()] == TEXT.replace("été ", "").split()
    assert all(1 <= len(line.text.split()) <= 10 for line in lines)
    assert lines[0].id == "synthetic-line-w0000-00"
    assert lines == lines_of(text, workers=2)


def test_words_stand_apart_in_one_row(text: Path) -> None:
    for line in lines_of(text, lines="5"):
        assert isinstance(line.image, bytes)
        grey = open_grey(line.image, line.id)
        ink_W = (grey < 128).any(axis=0)
        gaps = int((ink_W[:-1] & ~ink_W[1:]).sum())
        assert gaps >= len(line.text.split()) - 1
        assert grey.shape[1] > 8 * len(line.text)


def test_a_long_text_gives_lines_from_all_over_it(text: Path) -> None:
    every, some = lines_of(text), lines_of(text, lines="4")
    assert len(some) == 4
    assert (some[0].text, some[-1].text) == (every[0].text, every[-1].text)


def test_like_scans_they_have_paper(text: Path) -> None:
    plain, scanned = lines_of(text), lines_of(text, like_scans=True)
    assert [line.text for line in scanned] == [line.text for line in plain]
    levels = [open_grey(line.image_bytes(), line.id).max() for line in scanned]
    assert len(set(levels)) > 3


@pytest.mark.parametrize("lines", ["0", "-3", "many"])
def test_a_number_of_lines_that_is_none_is_refused(text: Path, lines: str) -> None:
    with pytest.raises(InputError, match=f"--lines={lines}: is no positive whole number"):
        lines_of(text, lines=lines)


def test_sources_that_hold_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no text file in UTF-8"):
        lines_of(tmp_path)
    (tmp_path / "greek.txt").write_text("λόγος", encoding="utf-8")
    with pytest.raises(InputError, match=r"greek.txt: has no word that synthetic writers can write"):
        lines_of(tmp_path / "greek.txt")
