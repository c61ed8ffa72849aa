"""Estimates character n-gram models from text, by two smoothings."""

from collections.abc import Callable, Iterable

import numpy as np

from hwr_jax.decoding.language_model import (
    END_ID,
    FIRST_CHARACTER_ID,
    START_ID,
    START_LOG10,
    NGramModel,
    NGramOrder,
    check_order,
    clean_text,
    encode_text,
)
from hwr_jax.errors import InputError
from hwr_jax.text.direction import to_visual

# Where a text is too small to estimate an order's discounts, those that KenLM's --discount_fallback takes.
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
# The n-grams of an order as numbers, see `encode_ngrams`, sorted; and how often each occurs.
_Counts = tuple[np.ndarray, np.ndarray]
# Of an order's n-grams, from their adjusted counts and the index of each one's context: the part of each probability
# that is the n-gram's own.
_Own = Callable[[np.ndarray, np.ndarray], np.ndarray]
# Shorter n-grams are few, and are kept whatever `min_count` says.
ALWAYS_KEPT = 3


def train_language_model(
    lines: Iterable[str],
    *,
    order: int = 6,
    smoothing: str = "kneser_ney",
    characters: str | None = None,
    min_count: int = 1,
) -> NGramModel:
    """Estimates a model of texts.

    Args:
      lines: one text each: a line, or a word where words are read alone. White space is joined to single spaces, texts
        are brought to NFC, empty ones are passed over. Those in right-to-left scripts are learnt as they stand on
        paper, from the left.
      order: number of tokens of the longest n-grams.
      smoothing: "kneser_ney", modified and interpolated (Chen and Goodman, An empirical study of smoothing techniques
        for language modeling, 1999; the estimates of Heafield et al., Scalable modified Kneser-Ney language model
        estimation, 2013), or "witten_bell", interpolated (Witten and Bell, The zero-frequency problem, 1991).
      characters: those the model distinguishes; each gets a probability, seen or not. All others count as one unknown
        character. None: those of the texts.
      min_count: n-grams of more than three tokens that occur less often are not listed; the order below gives their
        probabilities. Keeps models of long texts small.

    Raises:
      InputError: no text, an unknown smoothing, an order below 1 or too large for that many characters.
    """
    if smoothing not in SMOOTHINGS:
        raise InputError(f"smoothing {smoothing!r}: no such smoothing; take {' or '.join(SMOOTHINGS)}")
    texts = [to_visual(text) for text in map(clean_text, lines) if text]
    if not texts:
        raise InputError("language model: the text has no characters to learn from")
    characters = "".join(sorted(set(characters or "".join(texts))))
    num_tokens = FIRST_CHARACTER_ID + len(characters)
    check_order(order, num_tokens, "language model")
    counts = _count_ngrams(texts, order, characters)
    return NGramModel(characters, SMOOTHINGS[smoothing](counts, num_tokens, min_count))


def _count_ngrams(texts: list[str], order: int, characters: str) -> list[_Counts]:
    """The n-grams of orders 1, 2, ... within the texts, each between a start and an end token."""
    num_tokens = FIRST_CHARACTER_ID + len(characters)
    lengths = np.array([len(text) for text in texts])
    ends = np.cumsum(lengths + 2) - 1
    starts = ends - lengths - 1
    tokens_S = np.empty(ends[-1] + 1, np.int64)
    between = np.ones(len(tokens_S), bool)
    between[starts] = between[ends] = False
    tokens_S[between], tokens_S[starts], tokens_S[ends] = encode_text("".join(texts), characters), START_ID, END_ID
    text_S = np.repeat(np.arange(len(texts)), lengths + 2)
    counts = []
    codes_S = np.zeros(len(tokens_S), np.int64)
    for length in range(1, order + 1):
        codes_S = codes_S[: len(tokens_S) - length + 1] * num_tokens + tokens_S[length - 1 :]
        whole_S = text_S[: len(codes_S)] == text_S[length - 1 :]
        counts.append(np.unique(codes_S[whole_S], return_counts=True))
    return counts


def _witten_bell(counts: list[_Counts], num_tokens: int, min_count: int) -> tuple[NGramOrder, ...]:
    """P(w | h) = (c(h w) + T(h) P(w | shorter h)) / (c(h) + T(h)), with T(h) the number of kinds of tokens after h."""

    def own(adjusted_M: np.ndarray, context_M: np.ndarray) -> np.ndarray:
        total_C = np.bincount(context_M, adjusted_M) + np.bincount(context_M)
        return adjusted_M / total_C[context_M]

    return _interpolate(counts, [counts_M.astype(np.float64) for _, counts_M in counts], own, num_tokens, min_count)


def _kneser_ney(counts: list[_Counts], num_tokens: int, min_count: int) -> tuple[NGramOrder, ...]:
    """P(w | h) = (a(h w) - D(a)) / a(h) + b(h) P(w | shorter h), with a the adjusted counts: see `_adjust`."""

    def own(adjusted_M: np.ndarray, context_M: np.ndarray) -> np.ndarray:
        discounts_M = np.array([0.0, *_discounts(adjusted_M)])[np.minimum(adjusted_M, 3).astype(np.int64)]
        return (adjusted_M - discounts_M) / np.bincount(context_M, adjusted_M)[context_M]

    return _interpolate(counts, _adjust(counts, num_tokens), own, num_tokens, min_count)


def _adjust(counts: list[_Counts], num_tokens: int) -> list[np.ndarray]:
    """Below the highest order: how many tokens an n-gram follows; for one that starts the text, how often it occurs."""
    adjusted = []
    for length, (codes_M, counts_M) in enumerate(counts, start=1):
        adjusted_M = counts_M.astype(np.float64)
        if length < len(counts):
            suffixes, occurrences = np.unique(counts[length][0] % num_tokens**length, return_counts=True)
            followers_M = np.zeros(len(codes_M))
            followers_M[np.searchsorted(codes_M, suffixes)] = occurrences
            adjusted_M = np.where(codes_M // num_tokens ** (length - 1) == START_ID, adjusted_M, followers_M)
        adjusted.append(adjusted_M)
    return adjusted


def _discounts(adjusted_M: np.ndarray) -> tuple[float, float, float]:
    """The discounts of counts 1, 2 and above (Chen and Goodman 1999, equation 26)."""
    n1, n2, n3, n4 = (int((adjusted_M == count).sum()) for count in (1, 2, 3, 4))
    if not min(n1, n2, n3, n4):
        return FALLBACK_DISCOUNTS
    share = n1 / (n1 + 2 * n2)
    discounts = (1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3)
    inside = all(0 < discount <= count for count, discount in enumerate(discounts, start=1))
    return discounts if inside else FALLBACK_DISCOUNTS


def _interpolate(
    counts: list[_Counts], adjusted: list[np.ndarray], own: _Own, num_tokens: int, min_count: int
) -> tuple[NGramOrder, ...]:
    """The model in which every order is mixed with the one below it, and the first with all tokens equally likely.

    `adjusted` holds the counts as the smoothing wants them. What the n-grams after a context leave of 1, those below
    `min_count` included, is the weight of the order below.
    """
    # Unigrams: every token but the start, which nothing comes before.
    unigrams = counts[0][0]
    seen = unigrams != START_ID
    own_M = own(adjusted[0][seen], np.zeros(int(seen.sum()), np.int64))
    probs_M = np.zeros(num_tokens)
    probs_M[unigrams[seen]] = own_M
    probs_M += (1 - own_M.sum()) / (num_tokens - 1)
    codes, probs, weights = [np.arange(num_tokens)], [probs_M], [np.ones(num_tokens)]
    for length in range(2, len(counts) + 1):
        codes_M, counts_M = counts[length - 1]
        _, context_M = np.unique(codes_M // num_tokens, return_inverse=True)
        own_M = own(adjusted[length - 1], context_M)
        kept_M = counts_M >= (min_count if length > ALWAYS_KEPT else 1)
        codes_M, own_M = codes_M[kept_M], own_M[kept_M]
        contexts_C, context_M = np.unique(codes_M // num_tokens, return_inverse=True)
        weights_C = 1 - np.bincount(context_M, own_M)
        weights[-1][np.searchsorted(codes[-1], contexts_C)] = weights_C
        lower_M = np.searchsorted(codes[-1], codes_M % num_tokens ** (length - 1))
        probs.append(own_M + weights_C[context_M] * probs[-1][lower_M])
        codes.append(codes_M)
        weights.append(np.ones(len(codes_M)))  # what nothing follows keeps 1, log 0
    log10_probs = [np.log10(np.maximum(probs_M, 10.0**START_LOG10)) for probs_M in probs]
    log10_probs[0][START_ID] = START_LOG10
    return tuple(
        NGramOrder(_decode_ngrams(codes[i], i + 1, num_tokens), log10_probs[i], np.log10(weights[i]))
        for i in range(len(counts))
    )


def _decode_ngrams(codes_M: np.ndarray, length: int, num_tokens: int) -> np.ndarray:
    powers_N = num_tokens ** np.arange(length - 1, -1, -1, dtype=np.int64)
    return (codes_M[:, None] // powers_N[None] % num_tokens).astype(np.int32)


SMOOTHINGS = {"kneser_ney": _kneser_ney, "witten_bell": _witten_bell}
