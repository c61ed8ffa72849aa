"""Character n-gram language models."""

import dataclasses
import functools
import math
import unicodedata

import numpy as np

from hwr_jax.errors import InputError

UNKNOWN, START, END = "<unk>", "<s>", "</s>"
SPECIAL_TOKENS = (UNKNOWN, START, END)
UNKNOWN_ID, START_ID, END_ID = range(3)
FIRST_CHARACTER_ID = len(SPECIAL_TOKENS)

# What an ARPA file without "<unk>" gives unknown characters, as KenLM does, log10.
NO_UNKNOWN_LOG10 = -100.0
# The start token is never predicted; the value SRILM writes.
START_LOG10 = -99.0


@dataclasses.dataclass(frozen=True)
class NGramOrder:
    """The n-grams of one order, sorted by their token ids from the left, without duplicates."""

    ngrams_MxN: np.ndarray  # token ids, int32
    log10_probs_M: np.ndarray  # of the last token after the ones before it, float64
    # Weight of the shorter context where what follows these N tokens is not listed, float64; 0 where nothing follows
    log10_backoffs_M: np.ndarray


@dataclasses.dataclass(frozen=True)
class NGramModel:
    """A back-off language model over characters.

    Token ids: 0 an unknown character, 1 the start of a text, 2 its end, 3 and on the characters.
    """

    characters: str  # distinct, in code point order
    # Those of 1, 2, ... tokens. The first lists every token. The context of a listed n-gram, all but its last token,
    # is listed too.
    orders: tuple[NGramOrder, ...]

    @property
    def order(self) -> int:
        """Number of tokens of the longest n-grams."""
        return len(self.orders)

    @property
    def num_tokens(self) -> int:
        return FIRST_CHARACTER_ID + len(self.characters)

    @property
    def num_ngrams(self) -> int:
        return sum(len(order.ngrams_MxN) for order in self.orders)

    def log_prob(self, text: str) -> float:
        """The natural log probability of a text and its end, by the definition of back-off, an n-gram at a time."""
        listed = self._listed
        tokens = [START_ID, *encode_text(text, self.characters).tolist(), END_ID]
        total = 0.0
        for end in range(1, len(tokens)):
            context = tuple(tokens[max(0, end - self.order + 1) : end])
            while (*context, tokens[end]) not in listed:
                total += listed[context][1] if context in listed else 0.0
                context = context[1:]
            total += listed[(*context, tokens[end])][0]
        return total * math.log(10)

    @functools.cached_property
    def _listed(self) -> dict[tuple[int, ...], tuple[float, float]]:
        """N-gram -> its log10 probability and back-off."""
        listed: dict[tuple[int, ...], tuple[float, float]] = {}
        for order in self.orders:
            values = zip(order.log10_probs_M.tolist(), order.log10_backoffs_M.tolist(), strict=True)
            listed.update(zip(map(tuple, order.ngrams_MxN.tolist()), values, strict=True))
        return listed


def clean_text(line: str) -> str:
    """A text as the model sees it: NFC, white space joined to single spaces."""
    return " ".join(unicodedata.normalize("NFC", line).split())


def encode_text(text: str, characters: str) -> np.ndarray:
    """Token ids of the characters, int32 [len(text)]; those not among `characters` are unknown."""
    points, known = (np.frombuffer(t.encode("utf-32-le", "surrogatepass"), "<u4") for t in (text, characters))
    index = np.searchsorted(known, points)
    found = (index < len(known)) & (np.append(known, 0)[index] == points)
    return np.where(found, index + FIRST_CHARACTER_ID, UNKNOWN_ID).astype(np.int32)


def encode_ngrams(ngrams_MxN: np.ndarray, num_tokens: int) -> np.ndarray:
    """Each n-gram as one number, its ids the digits, int64 [M]: n-grams of one length sort as their numbers do."""
    codes_M = np.zeros(len(ngrams_MxN), np.int64)
    for column_M in ngrams_MxN.T:
        codes_M = codes_M * num_tokens + column_M
    return codes_M


def check_order(order: int, num_tokens: int, where: str) -> None:
    """Raises InputError if an order is below 1, or too large for its n-grams to be numbered in 63 bits."""
    if order < 1:
        raise InputError(f"{where}: order {order}: must be at least 1")
    if num_tokens**order >= 2**63:
        most = int(63 / math.log2(num_tokens))
        raise InputError(f"{where}: order {order} is too large for {num_tokens} tokens; take at most {most}")
