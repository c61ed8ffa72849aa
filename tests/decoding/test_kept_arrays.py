"""Arrays that are made once."""

from pathlib import Path

import numpy as np
import pytest

from hwr_jax.decoding import kept_arrays
from hwr_jax.decoding.kept_arrays import keep_arrays
from hwr_jax.decoding.settings import DecoderSettings, TextFile, load_text_parts
from hwr_jax.text.alphabet import Alphabet

MADE = {"a": np.arange(3, dtype=np.int32), "b": np.array([[0.5, -np.inf]])}


def refuse() -> dict[str, np.ndarray]:
    raise AssertionError("made again")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kept_arrays, "cache_folder", lambda kind: tmp_path / kind)
    return tmp_path / "text_models"


def test_they_are_made_once_and_stay_the_same(cache: Path) -> None:
    assert keep_arrays("x", "key", lambda: MADE) is MADE
    kept = keep_arrays("x", "key", refuse)
    assert kept.keys() == MADE.keys()
    for name, values in MADE.items():
        np.testing.assert_array_equal(kept[name], values, strict=True)


def test_another_key_kind_or_code_makes_them_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_arrays("x", "key", lambda: MADE)
    for kind, key in (("x", "other"), ("y", "key")):
        with pytest.raises(AssertionError, match="made again"):
            keep_arrays(kind, key, refuse)
    monkeypatch.setattr(kept_arrays, "_code_sha256", lambda: "other code")
    with pytest.raises(AssertionError, match="made again"):
        keep_arrays("x", "key", refuse)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x93NUMPY no archive"])
def test_a_damaged_file_is_made_anew(cache: Path, content: bytes) -> None:
    keep_arrays("x", "key", lambda: MADE)
    (path,) = cache.iterdir()
    path.write_bytes(content)
    assert keep_arrays("x", "key", lambda: MADE) is MADE
    assert keep_arrays("x", "key", refuse).keys() == MADE.keys()


def test_a_folder_that_cannot_be_written_costs_time_alone(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert keep_arrays("x", "key", lambda: MADE) is MADE
    assert keep_arrays("x", "key", lambda: MADE) is MADE


ARPA = "\\data\\\nngram 1=5\nngram 2=1\n\n\\1-grams:\n-1 <unk>\n-99 <s> -0.3\n-1 </s>\n-0.5 a -0.2\n-0.7 \u00e9\n"
ARPA += "\n\\2-grams:\n-0.1 <s> a\n\n\\end\\\n"


def test_language_models_and_lexicons_are_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: TextFile(str(tmp_path / name)) for name in ("language_model", "lexicon")}
    (tmp_path / "language_model").write_text(ARPA, encoding="utf-8")
    (tmp_path / "lexicon").write_text("a 3\na\u00e9 2\n", encoding="utf-8")
    settings, alphabet = DecoderSettings("beam", **files), Alphabet("a\u00e9")
    first = load_text_parts(settings, alphabet)
    for name in ("read_arpa", "build_lexicon_tables"):
        monkeypatch.setattr(f"hwr_jax.decoding.settings.{name}", lambda *_: refuse())
    again = load_text_parts(settings, alphabet)
    assert first.about == again.about
    for part in ("ngrams", "lexicon"):
        one, other = (vars(getattr(parts, part)) for parts in (first, again))
        for name, values in one.items():
            np.testing.assert_array_equal(np.asarray(values), np.asarray(other[name]), strict=True)
    with pytest.raises(AssertionError, match="made again"):
        load_text_parts(settings, Alphabet("ab\u00e9"))
    (tmp_path / "language_model").write_text(ARPA.replace("-0.5", "-0.6"), encoding="utf-8")
    with pytest.raises(AssertionError, match="made again"):
        load_text_parts(settings, alphabet)
