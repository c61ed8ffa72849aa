"""The tables of a language model: what they refuse, and the contexts they hold."""

import math

import numpy as np
import pytest

from hwr_jax.decoding import language_model
from hwr_jax.decoding.arpa import read_arpa
from hwr_jax.decoding.language_model import NGramTables, build_ngram_tables
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.errors import InputError
from hwr_jax.ink.words import load_words
from hwr_jax.text.alphabet import Alphabet, resolve_alphabet


def follow(tables: NGramTables, ids: list[int]) -> float:
    """The log probability of a text and its end."""
    row, total = int(tables.start), 0.0
    for class_id in ids:
        total += float(tables.log_probs_SxK[row, class_id])
        row = int(tables.next_SxK[row, class_id])
    return total + float(tables.log_ends_S[row])


@pytest.mark.parametrize("order", [1, 2, 5])
def test_against_the_model(order):
    alphabet = resolve_alphabet("iam78")
    model = train_language_model(load_words()[::30], order=order, characters="'abcdefghijklmnopqrstuvwxyz")
    tables = build_ngram_tables(model, alphabet)
    texts = [*load_words()[5::1500], "", "Zebra7", "qqqq", "the'"]
    expected = np.array([model.log_prob(text) for text in texts])
    np.testing.assert_allclose([follow(tables, alphabet.encode(t).tolist()) for t in texts], expected, rtol=1e-5)
    contexts = 1 + sum(int((o.ngrams_MxN[:, -1] != 2).sum()) for o in model.orders[:-1])
    assert len(tables.log_ends_S) == contexts


def test_a_pruned_model_backs_off_past_missing_contexts(tmp_path):
    # "a b" is listed behind "b", but no n-gram "a b ..."; and "b a" alone is not: SRILM prunes such.
    path = tmp_path / "pruned.arpa"
    path.write_text(
        "\\data\\\nngram 1=5\nngram 2=2\nngram 3=1\n\n\\1-grams:\n-99 <s> -0.1\n-1 </s>\n-2 <unk>\n-0.5 a -0.2\n"
        "-0.6 b -0.3\n\n\\2-grams:\n-0.4 a b -0.7\n-0.3 <s> a -0.8\n\n\\3-grams:\n-0.05 a b a\n\n\\end\\\n"
    )
    model = read_arpa(path)
    alphabet = Alphabet("abc")
    tables = build_ngram_tables(model, alphabet)
    texts = ["ab", "aba", "abab", "abaab", "ba", "c", "acb", "bbb"]
    expected = np.array([model.log_prob(text) for text in texts])
    np.testing.assert_allclose([follow(tables, alphabet.encode(t).tolist()) for t in texts], expected, rtol=1e-5)
    # <s> a, then a b after <s> a: backed off; the end after a b and b: backed off twice.
    assert expected[0] / math.log(10) == pytest.approx(-0.3 + (-0.8 - 0.4) + (-0.7 - 0.3 - 1))


def test_characters_of_another_alphabet_are_wrong_input():
    model = train_language_model(["größe", "straße"], order=2)
    with pytest.raises(InputError, match=r"deu\.arpa: has characters that are not .* alphabet: 'ß' 'ö'; train it"):
        build_ngram_tables(model, resolve_alphabet("iam78"), where="deu.arpa")


def test_too_large_tables_are_wrong_input(monkeypatch):
    monkeypatch.setattr(language_model, "MOST_TABLE_BYTES", 1000)
    model = train_language_model(["abc"], order=3)
    with pytest.raises(InputError, match=r"contexts need 0 MiB; train with a lower order than 3"):
        build_ngram_tables(model, resolve_alphabet("iam78"))
