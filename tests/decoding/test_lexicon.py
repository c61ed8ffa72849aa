"""Words and signs from lists and texts."""

import gzip
from pathlib import Path

import pytest

from hwr_jax.decoding.lexicon import (
    Lexicon,
    build_lexicon,
    count_tokens,
    expand_variants,
    load_lexicon,
    split_tokens,
    write_lexicon,
)
from hwr_jax.decoding.lexicon_tables import OUTSIDE, ROOT, build_lexicon_tables
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet, resolve_alphabet


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("word,", ["word", ","]),
        ('"don\'t"', ['"', "don't", '"']),
        ("the dogs' bone", ["the", " ", "dogs", "'", " ", "bone"]),
        ("'tis 3rd-rate", ["'", "tis", " ", "3", "rd", "-", "rate"]),
        ("1990's", ["1", "9", "9", "0", "'", "s"]),
        ("naïve señor’s", ["naïve", " ", "señor’s"]),
        ("कि", ["कि"]),  # a letter and a mark that belongs to it
        ("", []),
    ],
)
def test_tokens(text, tokens):
    assert list(split_tokens(text)) == tokens
    assert "".join(tokens) == text


def test_counting_and_adding():
    counted = count_tokens(["the cat", "The cat.", "the", "the", "cafe\u0301"])
    assert counted.words == {"the": 3, "cat": 2, "The": 1, "café": 1}
    assert counted.signs == {" ": 2, ".": 1}
    both = counted + build_lexicon(["cat", " dog ", "", "dog"], count=0.5)
    assert both.words == {"the": 3, "cat": 2.5, "The": 1, "café": 1, "dog": 0.5}
    assert both.unspellable(resolve_alphabet("iam78")) == ("café",)


def test_a_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("the\t30\n\ncat\ncafe\u0301\t0.5\nthe\t2\n", encoding="utf-8")
    assert load_lexicon(path) == Lexicon({"the": 32.0, "cat": 1.0, "café": 0.5}, {})


def test_a_gzipped_file(tmp_path):
    lexicon = Lexicon({"the": 32.0, "cat": 1.0}, {" ": 3.0})
    write_lexicon(lexicon, tmp_path / "words.txt.gz")
    assert (tmp_path / "words.txt.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert load_lexicon(tmp_path / "words.txt.gz") == lexicon


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty lexicon"),
        (b"\n \n", "an empty lexicon"),
        (b"the\nthe cat\n", "line 2: 'the cat': must be one word"),
        (b"the\tmany\n", r"line 1: 'the\\tmany': must be"),
        (b"the\t-1\n", "line 1"),
        (b"the\tnan\n", "line 1"),
        (b"caf\xe9\n", "cannot be read as a UTF-8 word list"),
    ],
)
def test_wrong_files(tmp_path, content, message):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_lexicon(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path, encoding):
    (tmp_path / "words.txt").write_text("ship\nh\u00e9\n", encoding=encoding)
    assert dict(load_lexicon(tmp_path / "words.txt").words) == {"ship": 1.0, "h\u00e9": 1.0}


def test_no_file_and_no_count(tmp_path):
    with pytest.raises(InputError, match="missing"):
        load_lexicon(tmp_path / "missing.txt")
    with pytest.raises(InputError, match="must be above 0"):
        build_lexicon(["a"], count=0.0)


def test_variants():
    shares = {"lower": 0.1, "capitalized": 0.2, "upper": 0.05}
    assert expand_variants({"cat": 10.0}, shares) == pytest.approx({"cat": 10, "Cat": 2, "CAT": 0.5})
    assert expand_variants({"Bill": 10.0}, shares) == pytest.approx({"Bill": 10, "bill": 1, "BILL": 0.5})
    assert expand_variants({"McGee": 10.0}, shares) == pytest.approx(
        {"McGee": 10, "mcgee": 1, "Mcgee": 2, "MCGEE": 0.5}
    )
    # Forms that words share add up; a word's own form is not a variant of it.
    both = expand_variants({"bill": 10.0, "Bill": 10.0}, shares)
    assert both == pytest.approx({"bill": 11, "Bill": 12, "BILL": 1})
    assert expand_variants({"I": 10.0, "4": 1.0}, shares) == pytest.approx({"I": 10, "i": 1, "4": 1})


def test_possessives():
    shares = {"upper": 0.5, "possessive": 0.1}
    assert expand_variants({"cat": 10.0, "don't": 1.0, "a": 1.0}, shares) == pytest.approx(
        {"cat": 10, "cat's": 1, "CAT": 5, "CAT'S": 0.5, "don't": 1, "DON'T": 0.5, "a": 1, "A": 0.5}
    )


def test_the_trie_holds_the_words_and_no_others():
    words = ["a", "ab", "abacus", "b", "zebra", "0a", "zz"]
    alphabet = Alphabet("0123456789abcdefghijklmnopqrstuvwxyz")
    tables = build_lexicon_tables(build_lexicon(words), alphabet, variants={})
    found = []

    def walk(node: int, prefix: str) -> None:
        if prefix and tables.ends_S[node] and not tables.begins_S[node]:
            found.append(prefix)
        child = int(tables.first_child_S[node])
        for class_id, character in enumerate(alphabet.characters, start=1):
            if int(tables.children_SxM[node, class_id // 32]) >> class_id % 32 & 1:
                walk(child, prefix + character)
                child += 1

    walk(ROOT, "")
    assert sorted(found) == sorted(words)
    prefixes = {word[:end] for word in words for end in range(1, len(word) + 1)}
    assert len(tables.ends_S) == 2 + len(prefixes)
    assert not tables.ends_S[OUTSIDE]


@pytest.mark.parametrize(
    ("words", "message"),
    [({}, "lexicon: empty; give at least one word"), ({"日": 1.0, "本": 1.0}, "none of its 2 words can be spelled")],
)
def test_empty_lexicons_are_wrong_input(words, message):
    with pytest.raises(InputError, match=message):
        build_lexicon_tables(Lexicon(words, {}), resolve_alphabet("iam78"))


def test_a_file_holds_signs_too(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("3\t7\n,\na\n<space>\t5\n1st\n", encoding="utf-8")
    assert load_lexicon(path, count=0.5) == Lexicon({"a": 0.5, "1st": 0.5}, {"3": 7.0, ",": 0.5, " ": 5.0})
    path.write_text("3\n,\n")
    with pytest.raises(InputError, match="an empty lexicon"):
        load_lexicon(path)


def test_what_is_written_is_read_again(tmp_path):
    lexicon = count_tokens(["the cat, the dog's 12 café-au-lait", "the"]) + build_lexicon(["zebra"], 0.25)
    write_lexicon(lexicon, tmp_path / "new" / "words.txt")
    assert load_lexicon(tmp_path / "new" / "words.txt") == lexicon


@pytest.mark.parametrize("content", ["seven 12\nsmall 3.5\n", "seven\t12\nsmall\t3.5\n", "seven   12\nsmall 3.5 \n"])
def test_counts_stand_behind_a_tab_or_spaces(tmp_path: Path, content: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text(content)
    assert load_lexicon(path).words == {"seven": 12.0, "small": 3.5}
    path.write_bytes(gzip.compress(content.encode()))  # whatever its name
    assert load_lexicon(path).words == {"seven": 12.0, "small": 3.5}


@pytest.mark.parametrize(("content", "word"), [("a,1\nb,2\n", "'a,1'"), ("2\nseven/S\nsmall/MR\n", "'seven/S'")])
def test_tables_and_dictionaries_of_spelling_checkers_are_no_word_lists(
    tmp_path: Path, content: str, word: str
) -> None:
    """Else no word of the list would ever be read."""
    (tmp_path / "words.txt").write_text(content)
    with pytest.raises(InputError, match=f"most lines have a '[,/]', such as {word}; give one word a line, alone"):
        load_lexicon(tmp_path / "words.txt")
