"""Language model and lexicon, one character at a time on the device, against whole strings on the host."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.decoding.beam import beam_search
from hwr_jax.decoding.language_model import build_ngram_tables
from hwr_jax.decoding.lexicon import Lexicon, count_tokens, is_letter
from hwr_jax.decoding.lexicon_tables import build_lexicon_tables
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.decoding.text_model import FusionWeights, TextModel, build_text_model
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet

ALPHABET = Alphabet(" '-1Babcs")
TEXTS = ["a cab", "Bab's cab", "a-b 11", "cab", "ab", "Bab 1", "ca"]
LEXICON = count_tokens(TEXTS) + Lexicon({"1b": 1.0, "ab-c": 2.0, "'c": 1.0, "cabca": 3.0, "bbb": 0.5}, {"-": 2.0})
WEIGHTS = FusionWeights(language_model=0.7, length_bonus=0.3, lexicon=0.8, escape=-4.0)


@jax.jit
def weigh_texts(text_model: TextModel, ids_NxL: jax.Array, lengths_N: jax.Array) -> jax.Array:
    """What the text model adds to each text: its characters one after the other, and the end."""

    def step(carry, column):
        state, total_N = carry
        class_N, inside_N = column
        added_NxN = text_model.extend(state, class_N)  # every character for every text: theirs is on the diagonal
        state = text_model.advance(state, jnp.arange(len(class_N)), class_N, inside_N)
        return (state, total_N + jnp.where(inside_N, jnp.diagonal(added_NxN), 0.0)), None

    inside_NxL = jnp.arange(ids_NxL.shape[1])[None] < lengths_N[:, None]
    start = (text_model.start(len(ids_NxL)), jnp.zeros(len(ids_NxL)))
    (state, total_N), _ = jax.lax.scan(step, start, (ids_NxL.T, inside_NxL.T))
    return total_N + text_model.finish(state)


def weigh(text_model: TextModel, texts: list[str]) -> np.ndarray:
    ids_NxL = np.zeros((len(texts), 16), np.int32)
    for row, text in zip(ids_NxL, texts, strict=True):
        row[: len(text)] = ALPHABET.encode(text)
    return np.asarray(weigh_texts(text_model, ids_NxL, np.array([len(text) for text in texts], np.int32)))


def weigh_words(text: str, weights: FusionWeights) -> float:
    """The words and signs of a text. Reads on while an entry goes on so; else lets go of what it has read."""
    signs = {c: LEXICON.signs.get(c, 0.0) + 1 for c in ALPHABET.characters if not is_letter(c)}
    size = sum(LEXICON.words.values()) + sum(signs.values())
    log_signs = {sign: math.log(count / size) for sign, count in signs.items()}

    def ends_with(word: str) -> float | None:
        """Log probability if something may end here: an entry, or signs behind what may."""
        ways = [math.log(LEXICON.words[word] / size)] if word in LEXICON.words else []
        before = 0.0 if len(word) == 1 else ends_with(word[:-1])
        if before is not None and not is_letter(word[-1]):
            ways.append(before + log_signs[word[-1]])
        return max(ways, default=None)

    def value(word: str | None) -> float:
        if word == "":
            return 0.0
        end = None if word is None else ends_with(word)
        return weights.escape if end is None else max(weights.lexicon * end, weights.escape)

    total, word = 0.0, ""  # None: outside the lexicon
    for character in text:
        begins = word is not None and (word == "" or (not is_letter(word[-1]) and ends_with(word) is not None))
        if word is not None and any(entry.startswith(word + character) for entry in LEXICON.words):
            word += character
        elif not is_letter(character):
            total += value(word) + weights.lexicon * log_signs[character]
            word = ""
        elif begins:
            total += value(word)
            word = character if any(entry.startswith(character) for entry in LEXICON.words) else None
        else:
            word = None
    return total + value(word)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    rng = np.random.default_rng(0)
    random = ["".join(rng.choice(list(ALPHABET.characters), rng.integers(0, 8))) for _ in range(380)]
    made = ["a", "cab cab", "'cab'", "ab-cab", "ab-c", "ab-b", "1b", "11b", "ab'c", "ab''c", "cabca", "cabc"]
    made += ["Bab's", "Bab'a", "bbb-1b", "ab-'c", "abc cab", "a-", "Ba cab", ""]
    return random + made


@pytest.fixture(scope="module")
def language_model():
    return train_language_model(TEXTS, order=3, characters=ALPHABET.characters[:-1])  # s is an unknown character


@pytest.fixture(scope="module")
def text_model(language_model) -> TextModel:
    return build_text_model(
        WEIGHTS,
        ngrams=build_ngram_tables(language_model, ALPHABET),
        lexicon=build_lexicon_tables(LEXICON, ALPHABET, variants={}),
    )


def test_against_whole_strings(texts, language_model, text_model):
    expected = [
        WEIGHTS.language_model * log_prob + WEIGHTS.length_bonus * len(text) + weigh_words(text, WEIGHTS)
        for text, log_prob in zip(texts, map(language_model.log_prob, texts), strict=True)
    ]
    np.testing.assert_allclose(weigh(text_model, texts), expected, atol=2e-4)


@pytest.mark.parametrize(
    "weights",
    [
        FusionWeights(0.0, 0.0, 1.0, -100.0),
        FusionWeights(0.0, 0.0, 0.0, -2.0),
        FusionWeights(0.0, 1.0, 0.5, 0.0),
        FusionWeights(0.0, 0.0, 1.0, -3.0),
    ],
)
def test_other_weights_against_whole_strings(texts, text_model, weights):
    changed = build_text_model(weights, ngrams=text_model.ngrams, lexicon=text_model.lexicon)
    expected = [weights.length_bonus * len(text) + weigh_words(text, weights) for text in texts]
    np.testing.assert_allclose(weigh(changed, texts), expected, atol=2e-4)


def test_without_escape_only_the_lexicon_passes(texts, text_model):
    strict = dataclasses.replace(WEIGHTS, escape=-math.inf)
    changed = build_text_model(strict, ngrams=text_model.ngrams, lexicon=text_model.lexicon)
    expected = np.array([weigh_words(text, strict) for text in texts])
    found = weigh(changed, texts)
    assert 20 < np.isfinite(expected).sum() < len(texts) - 20
    np.testing.assert_array_equal(found > -1e8, np.isfinite(expected))


@pytest.mark.parametrize("escape", [-4.0, -math.inf])
def test_the_beam_finds_the_best_sum_of_image_and_text(escape):
    # All texts of 4 frames, so that nothing falls out of the beam.
    few = Alphabet("'ab")
    lexicon = Lexicon({"ab": 3.0, "a": 1.0, "b'a": 1.0}, {})
    model = train_language_model(["ab", "b'a", "abba"], order=3)
    weights = dataclasses.replace(WEIGHTS, escape=escape)
    tables = {"ngrams": build_ngram_tables(model, few), "lexicon": build_lexicon_tables(lexicon, few, variants={})}
    log_probs_BxTxK = jax.nn.log_softmax(jax.random.normal(jax.random.key(0), (5, 4, 6)))
    plain = beam_search(log_probs_BxTxK, width=80)
    fused = beam_search(log_probs_BxTxK, build_text_model(weights, **tables), width=80)
    for row in range(5):
        log_ctc = read_row(few, plain.ids_BxWxT[row], plain.log_ctc_BxW[row])
        found = read_row(few, fused.ids_BxWxT[row], fused.log_ctc_BxW[row])
        assert all(log_ctc[text] == pytest.approx(found[text], abs=1e-4) for text in found)
        scores = read_row(few, fused.ids_BxWxT[row], fused.scores_BxW[row])
        assert list(scores) == sorted(scores, key=lambda text: -scores[text])
        if escape == -math.inf:
            assert {"ab", "a", "b'a", "", "'", "a'", "'ab"} < scores.keys()
            assert not {"b", "aa", "ba", "b'ab"} & scores.keys()
        else:
            assert scores.keys() == log_ctc.keys()


def read_row(alphabet: Alphabet, ids_WxT: jax.Array, values_W: jax.Array) -> dict[str, float]:
    texts = [alphabet.decode(ids_T) for ids_T in np.asarray(ids_WxT).tolist()]
    values = np.asarray(values_W).tolist()
    held = {text: value for text, value in zip(texts, values, strict=True) if value > -math.inf}
    assert len(held) == np.isfinite(values).sum()
    return held


def test_variants_are_in_the_lexicon():
    lexicon = Lexicon({"cab": 1.0}, {})
    alphabet = Alphabet("'ABCSabcs")
    tables = build_lexicon_tables(
        lexicon, alphabet, {"lower": 0.1, "capitalized": 0.5, "upper": 0.25, "possessive": 0.1}
    )
    words = {"cab": 1.0, "Cab": 0.5, "CAB": 0.25, "cab's": 0.1, "Cab's": 0.05, "CAB'S": 0.025}
    size = sum(words.values()) + 1  # the apostrophe
    strict = build_text_model(FusionWeights(0.0, 0.0, 1.0, -math.inf), lexicon=tables)
    ids_NxL = np.zeros((8, 16), np.int32)
    texts = [*words, "cAb", "cabs"]
    for row, text in zip(ids_NxL, texts, strict=True):
        row[: len(text)] = alphabet.encode(text)
    found = np.asarray(weigh_texts(strict, ids_NxL, np.array(list(map(len, texts)), np.int32)))
    np.testing.assert_allclose(found[:6], [math.log(count / size) for count in words.values()], rtol=1e-5)
    assert (found[6:] < -1e8).all()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"language_model": math.nan}, "language_model nan: not a finite number"),
        ({"lexicon": math.inf}, "lexicon inf: not a finite number"),
        ({"escape": math.inf}, "escape inf"),
        ({"escape": 1.0}, "escape 1.0: .*must be at most 0"),
    ],
)
def test_senseless_weights_are_wrong_input(weights, message):
    with pytest.raises(InputError, match=message):
        FusionWeights(**weights)
