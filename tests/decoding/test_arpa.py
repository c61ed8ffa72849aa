"""ARPA files: round trips, how KenLM parses them, and files that are not whole."""

import gzip
import math

import numpy as np
import pytest

from hwr_jax.decoding.arpa import read_arpa, write_arpa
from hwr_jax.decoding.language_model import NO_UNKNOWN_LOG10
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.errors import InputError
from hwr_jax.ink.words import load_words

TEXTS = [f"{a}, {b}" for a, b in zip(load_words()[::100], load_words()[50::100], strict=False)]

SMALL = """
\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99\t<s>\t-0.3
-0.5\t</s>
-0.4\ta\t-0.2
-0.6\t<space>\t0

\\2-grams:
-0.1\t<s> a
-0.3 a </s>

\\end\\
"""


def assert_equal(model, expected):
    assert model.characters == expected.characters
    for order, other in zip(model.orders, expected.orders, strict=True):
        np.testing.assert_array_equal(order.ngrams_MxN, other.ngrams_MxN)
        np.testing.assert_array_equal(order.log10_probs_M, other.log10_probs_M)
        np.testing.assert_array_equal(order.log10_backoffs_M, other.log10_backoffs_M)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.arpa"
    path.write_text(SMALL)
    return path


@pytest.mark.parametrize("smoothing", ["kneser_ney", "witten_bell"])
@pytest.mark.parametrize("order", [1, 4])
def test_a_round_trip_is_exact(tmp_path, smoothing, order):
    model = train_language_model([*TEXTS, 'é\\ "日"'], order=order, smoothing=smoothing)
    write_arpa(model, tmp_path / "model.arpa")
    again = read_arpa(tmp_path / "model.arpa")
    assert again.characters == model.characters
    for written, read in zip(model.orders, again.orders, strict=True):
        np.testing.assert_array_equal(written.ngrams_MxN, read.ngrams_MxN)
        np.testing.assert_array_equal(written.log10_probs_M, read.log10_probs_M)
        np.testing.assert_array_equal(written.log10_backoffs_M, read.log10_backoffs_M)
    write_arpa(again, tmp_path / "again.arpa")
    assert (tmp_path / "again.arpa").read_bytes() == (tmp_path / "model.arpa").read_bytes()


def test_kenlm_reads_the_same_model(tmp_path):
    kenlm = pytest.importorskip("kenlm")
    model = train_language_model(TEXTS, order=5)
    write_arpa(model, tmp_path / "model.arpa")
    theirs = kenlm.Model(str(tmp_path / "model.arpa"))
    assert theirs.order == 5
    for text in [*TEXTS[:20], "zzz", "a b c", "q", "Ünknown"]:
        tokens = " ".join("<space>" if character == " " else character for character in text)
        assert model.log_prob(text) == pytest.approx(theirs.score(tokens) * math.log(10), rel=1e-5)


def test_a_small_file_by_hand(small):
    model = read_arpa(small)
    assert model.characters == " a"
    assert model.log_prob("a") / math.log(10) == pytest.approx(-0.1 - 0.3)
    assert model.log_prob("a a") / math.log(10) == pytest.approx(-0.1 + (-0.2 - 0.6) + (0 - 0.4) - 0.3)
    assert model.log_prob("x") / math.log(10) == pytest.approx((-0.3 + NO_UNKNOWN_LOG10) - 0.5)


def test_windows_line_ends_and_text_before_the_data_are_read(small, tmp_path):
    path = tmp_path / "windows.arpa"
    path.write_bytes(("Made by hand\n" + SMALL).replace("\n", "\r\n").encode())
    assert read_arpa(path).log_prob("a") == read_arpa(small).log_prob("a")


def test_what_other_programs_write_is_the_same_model(small, tmp_path):
    expected = read_arpa(small)
    other = tmp_path / "other.arpa"
    for old, new in (("<s>", "<S>"), ("</s>", "</S>"), ("-99\t<s>", "-inf\t<s>"), ("-99\t<s>", "-Infinity\t<s>")):
        assert old in SMALL
        other.write_text(SMALL.replace(old, new))
        assert_equal(read_arpa(other), expected)
    for encoding in ("utf-8-sig", "utf-16"):
        other.write_text(SMALL, encoding=encoding)
        assert_equal(read_arpa(other), expected)


def test_unknown_characters_in_capitals(small, tmp_path):
    def with_unknown(token):
        path = tmp_path / "unknown.arpa"
        path.write_text(SMALL.replace("ngram 1=4", "ngram 1=5").replace("-0.4\ta", f"-1.5\t{token}\t-0.1\n-0.4\ta"))
        return read_arpa(path)

    assert_equal(with_unknown("<UNK>"), with_unknown("<unk>"))
    assert with_unknown("<UNK>").characters == read_arpa(small).characters


def test_kenlms_binary_form_is_named(tmp_path):
    (tmp_path / "model.arpa").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(range(256)))
    with pytest.raises(InputError, match=r"KenLM's binary form; give the \.arpa file"):
        read_arpa(tmp_path / "model.arpa")


def test_a_file_cut_short_anywhere_is_wrong_input(tmp_path):
    path = tmp_path / "cut.arpa"
    for end in range(0, len(SMALL.rstrip()), 3):
        path.write_text(SMALL[:end])
        with pytest.raises(InputError, match=r"cut\.arpa.*not a whole ARPA file") as caught:
            read_arpa(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ngram 2=2", "ngram 2=3", "line 16: .*expected a number, 2 tokens"),
        ("ngram 2=2", "ngram 2=1", r"line 14: .*expected \\end\\"),
        ("ngram 2=2", "ngram 3=2", "line 4: .*expected ngram 2=COUNT"),
        ("-0.4\ta", "zero\ta", "line 9: .*expected a number"),
        ("-0.4\ta", "nan\ta", "line 9: .*expected a number"),
        ("-0.4\ta", "0.4\ta", "line 9: .*a probability above 1"),
        ("-0.4\ta", "-0.4\ta b", "line 9: .*1 tokens"),
        ("-0.4\ta", "-0.4\tand", "'and' is not one character; only models of characters can be read"),
        ("a </s>", "b </s>", "'b' of 'b </s>' is not among the unigrams"),
        ("<s> a", "a </s>", "'a </s>' is listed twice"),
        ("\\1-grams:", "\\one-grams:", r"line 6: .*expected \\1-grams:"),
    ],
)
def test_wrong_lines_are_named(tmp_path, old, new, message):
    path = tmp_path / "wrong.arpa"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_arpa(path)


def test_an_ngram_without_its_context_is_wrong_input(tmp_path):
    path = tmp_path / "wrong.arpa"
    text = SMALL.replace("ngram 2=2\n", "ngram 2=2\nngram 3=1\n").replace("\\end", "\\3-grams:\n-0.1 a a </s>\n\n\\end")
    path.write_text(text)
    with pytest.raises(InputError, match="'a a </s>' is listed, but its context is not"):
        read_arpa(path)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(InputError, match=r"missing\.arpa: cannot be read"):
        read_arpa(tmp_path / "missing.arpa")
    (tmp_path / "binary.arpa").write_bytes(b"\xff\x00mmap lm")
    with pytest.raises(InputError, match=r"binary\.arpa: cannot be read"):
        read_arpa(tmp_path / "binary.arpa")


def test_gzipped_files_hold_the_same_and_are_the_same_every_time(tmp_path):
    model = train_language_model(TEXTS, order=3)
    for name in ("model.arpa", "model.arpa.gz", "again.arpa.gz"):
        write_arpa(model, tmp_path / name)
    assert gzip.decompress((tmp_path / "model.arpa.gz").read_bytes()) == (tmp_path / "model.arpa").read_bytes()
    assert (tmp_path / "model.arpa.gz").read_bytes() == (tmp_path / "again.arpa.gz").read_bytes()
    again = read_arpa(tmp_path / "model.arpa.gz")
    np.testing.assert_array_equal(again.orders[2].log10_probs_M, model.orders[2].log10_probs_M)


@pytest.mark.parametrize("kept", [0, 5, 30, 0.5, 0.99])
def test_a_gzipped_file_cut_short_is_wrong_input(tmp_path, kept):
    path = tmp_path / "model.arpa.gz"
    write_arpa(train_language_model(TEXTS, order=3), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(InputError, match=r"model\.arpa\.gz: ") as caught:
        read_arpa(path)
    assert "\n" not in str(caught.value)
