"""Estimation of character models against the formulas, worked out by hand and written with dicts."""

import collections
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from hwr_jax.decoding.language_model import END_ID, NGramModel, encode_ngrams
from hwr_jax.decoding.smoothing import FALLBACK_DISCOUNTS, train_language_model
from hwr_jax.errors import InputError
from hwr_jax.ink.words import load_words

WORDS = list(load_words()[::40])
Probability = Callable[[tuple[str, ...], str], float]


def tokens_of(model: NGramModel) -> list[str]:
    return ["<unk>", "<s>", "</s>", *model.characters]


def listed_ngrams(model: NGramModel) -> dict[tuple[str, ...], tuple[float, float]]:
    tokens = tokens_of(model)
    return {
        tuple(tokens[token] for token in ngram): (10**log10_prob, 10**log10_backoff)
        for order in model.orders
        for ngram, log10_prob, log10_backoff in zip(
            order.ngrams_MxN.tolist(), order.log10_probs_M, order.log10_backoffs_M, strict=True
        )
    }


def back_off(listed: dict[tuple[str, ...], tuple[float, float]], context: tuple[str, ...], token: str) -> float:
    if (*context, token) in listed:
        return listed[(*context, token)][0]
    return listed.get(context, (0.0, 1.0))[1] * back_off(listed, context[1:], token)


def ngrams_of(words: list[str], order: int) -> list[collections.Counter]:
    padded = [("<s>", *word, "</s>") for word in words]
    return [
        collections.Counter(text[at : at + n] for text in padded for at in range(len(text) - n + 1))
        for n in range(1, order + 1)
    ]


def kneser_ney(words: list[str], order: int, num_tokens: int) -> Probability:
    """Chen and Goodman 1999, section 4.1.6 and equation 26, counts and all."""
    counts = ngrams_of(words, order)
    adjusted = [dict(count) for count in counts]
    for n in range(order - 1):
        followers = collections.Counter(ngram[1:] for ngram in counts[n + 1])
        adjusted[n] = {ngram: count if ngram[0] == "<s>" else followers[ngram] for ngram, count in counts[n].items()}
    del adjusted[0][("<s>",)]
    discounts = []
    for table in adjusted:
        n1, n2, n3, n4 = (sum(count == k for count in table.values()) for k in (1, 2, 3, 4))
        if not min(n1, n2, n3, n4):
            discounts.append((0, *FALLBACK_DISCOUNTS))
            continue
        y = n1 / (n1 + 2 * n2)
        discounts.append((0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3))
    assert FALLBACK_DISCOUNTS not in [discount[1:] for discount in discounts[1:]]

    def probability(context: tuple[str, ...], token: str) -> float:
        table, discount = adjusted[len(context)], discounts[len(context)]
        lower = probability(context[1:], token) if context else 1 / num_tokens
        after = [count for ngram, count in table.items() if ngram[:-1] == context]
        if not after:
            return lower
        count = table.get((*context, token), 0)
        weight = sum(discount[min(count, 3)] for count in after)
        return (count - discount[min(count, 3)] + weight * lower) / sum(after)

    return probability


def witten_bell(words: list[str], order: int, num_tokens: int) -> Probability:
    counts = ngrams_of(words, order)
    del counts[0][("<s>",)]

    def probability(context: tuple[str, ...], token: str) -> float:
        lower = probability(context[1:], token) if context else 1 / num_tokens
        after = [count for ngram, count in counts[len(context)].items() if ngram[:-1] == context]
        if not after:
            return lower
        return (counts[len(context)][(*context, token)] + len(after) * lower) / (sum(after) + len(after))

    return probability


@pytest.mark.parametrize(("smoothing", "reference"), [("kneser_ney", kneser_ney), ("witten_bell", witten_bell)])
def test_against_dicts(smoothing, reference):
    model = train_language_model(WORDS, order=3, smoothing=smoothing)
    listed = listed_ngrams(model)
    expected = reference(WORDS, 3, len(model.characters) + 2)
    rng = np.random.default_rng(0)
    contexts = [(), ("<s>",), ("<unk>",), ("<s>", "q"), ("z", "z"), *[n for n in listed if len(n) == 2][::40]]
    for context in contexts:
        if "</s>" in context:
            continue
        for token in [*rng.choice(list(model.characters), 5), "</s>", "<unk>"]:
            assert back_off(listed, context, token) == pytest.approx(expected(context, token), rel=1e-9), (
                context,
                token,
            )


@pytest.mark.parametrize("smoothing", ["kneser_ney", "witten_bell"])
@pytest.mark.parametrize("texts", [["a"], ["ab", "ba", "ab"], WORDS, ["the cat", "the  dog\t", " a\u0301 \n"]])
@pytest.mark.parametrize("min_count", [1, 2])
def test_probabilities_of_every_context_sum_to_one(smoothing, texts, min_count):
    model = train_language_model(texts, order=4, smoothing=smoothing, min_count=min_count)
    listed = listed_ngrams(model)
    predicted = [token for token in tokens_of(model) if token != "<s>"]
    contexts = [ngram for ngram in listed if len(ngram) < 4 and ngram[-1] != "</s>"][:300]
    contexts.append(("nowhere",))
    for context in contexts:
        assert sum(back_off(listed, context, token) for token in predicted) == pytest.approx(1, abs=1e-9), context


def test_witten_bell_by_hand():
    # "ab" and "a": a twice, b once, the end twice, 3 kinds among 5; 4 tokens can come: a, b, the end, unknown.
    model = train_language_model(["ab", "a"], order=2, smoothing="witten_bell")
    a, b, end, unknown = (2 + 3 / 4) / 8, (1 + 3 / 4) / 8, (2 + 3 / 4) / 8, (3 / 4) / 8
    assert a + b + end + unknown == 1
    listed = listed_ngrams(model)
    for token, expected in (("a", a), ("b", b), ("</s>", end), ("<unk>", unknown)):
        assert listed[(token,)][0] == pytest.approx(expected)
    # After "a" come b and the end, once each.
    assert listed[("a", "b")][0] == pytest.approx((1 + 2 * b) / 4)
    assert listed[("a",)][1] == pytest.approx(2 / 4)
    # After the start comes a, twice; after b the end, once.
    assert math.exp(model.log_prob("ab")) == pytest.approx((2 + a) / 3 * (1 + 2 * b) / 4 * (1 + end) / 2)


def test_kneser_ney_by_hand():
    # Too little text to estimate discounts: they are 0.5, 1 and 1.5. Below the highest order a token counts once for
    # every token it follows: a follows the start; b follows a; the end follows a and b.
    model = train_language_model(["ab", "a"], order=2)
    d1, d2, _ = FALLBACK_DISCOUNTS
    rest = (2 * d1 + d2) / 4 / 4
    a, b, end = (1 - d1) / 4 + rest, (1 - d1) / 4 + rest, (2 - d2) / 4 + rest
    assert a + b + end + rest == 1
    listed = listed_ngrams(model)
    for token, expected in (("a", a), ("b", b), ("</s>", end), ("<unk>", rest)):
        assert listed[(token,)][0] == pytest.approx(expected)
    start_a, a_b, b_end = (2 - d2 + d2 * a) / 2, (1 - d1 + 2 * d1 * b) / 2, 1 - d1 + d1 * end
    assert math.exp(model.log_prob("ab")) == pytest.approx(start_a * a_b * b_end)


def test_the_model_is_whole():
    model = train_language_model(WORDS, order=5)
    assert model.order == 5
    assert model.num_ngrams == sum(len(count) for count in ngrams_of(WORDS, 5)) + 1  # and the unknown character
    contexts = np.zeros(1, np.int64)
    for order in model.orders:
        codes = encode_ngrams(order.ngrams_MxN, model.num_tokens)
        assert (np.diff(codes) > 0).all()
        assert np.isin(codes // model.num_tokens, contexts).all()
        contexts = codes
        assert (order.log10_probs_M <= 0).all()
        assert (order.log10_backoffs_M[order.ngrams_MxN[:, -1] == END_ID] == 0).all()


def test_characters_not_asked_for_count_as_one_unknown():
    texts = ["naïve", "naive", "näive"]
    model = train_language_model(texts, order=2, characters="aeinvz")
    assert model.characters == "aeinvz"
    assert model.log_prob("naïve") == model.log_prob("naöve")
    # z is not in the texts, but may be read; an unknown character is in them, and so is likelier.
    listed = listed_ngrams(model)
    assert 0 < listed[("z",)][0] < listed[("<unk>",)][0]


def test_better_orders_are_better():
    models = [train_language_model(load_words()[::7], order=order) for order in (1, 2, 3, 4)]
    losses = [-sum(map(model.log_prob, load_words()[20::49])) for model in models]
    assert all(worse > better + 100 for worse, better in itertools.pairwise(losses))


def test_a_probability_by_hand():
    model = train_language_model(["ab"], order=1, smoothing="witten_bell")
    # a, b and the end once each, of 3 kinds; 4 tokens can come.
    assert math.exp(model.log_prob("ab")) == pytest.approx(((1 + 3 / 4) / 6) ** 3)


@pytest.mark.parametrize("smoothing", ["kneser_ney", "witten_bell"])
def test_rare_n_grams_are_left_out(smoothing):
    texts = load_words()[::20]
    whole = train_language_model(texts, order=5, smoothing=smoothing)
    small = train_language_model(texts, order=5, smoothing=smoothing, min_count=3)
    sizes = [[len(order.ngrams_MxN) for order in model.orders] for model in (whole, small)]
    assert sizes[0][:3] == sizes[1][:3]
    assert all(few < many / 2 for many, few in zip(*(size[3:] for size in sizes), strict=True))


def test_texts_are_cleaned():
    assert train_language_model(["  cafe\u0301\tau  lait\n", ""], order=3).log_prob("café au lait") == pytest.approx(
        train_language_model(["café au lait"], order=3).log_prob("café au lait"), rel=1e-12
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lines": []}, "no characters"),
        ({"lines": ["", " \n"]}, "no characters"),
        ({"smoothing": "laplace"}, "smoothing 'laplace': no such smoothing; take kneser_ney or witten_bell"),
        ({"order": 0}, "order 0: must be at least 1"),
        ({"order": 40}, "order 40 is too large for 4 tokens; take at most 31"),
    ],
)
def test_wrong_input(options, message):
    with pytest.raises(InputError, match=message):
        train_language_model(**{"lines": ["a"], **options})
