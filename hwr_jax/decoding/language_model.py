"""Character n-gram language models; and one as two tables on the device, back-off already worked out."""

import dataclasses
import functools
import math
import unicodedata
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet

UNKNOWN, START, END = "<unk>", "<s>", "</s>"
SPECIAL_TOKENS = (UNKNOWN, START, END)
UNKNOWN_ID, START_ID, END_ID = range(3)
FIRST_CHARACTER_ID = len(SPECIAL_TOKENS)

# What an ARPA file without "<unk>" gives unknown characters, as KenLM does, log10.
NO_UNKNOWN_LOG10 = -100.0
# The start token is never predicted; the value SRILM writes.
START_LOG10 = -99.0

# Looking a row up is one gather. Following the back-off by bit masks takes a tenth of the memory, but made the whole
# search take 1.5 to 2 times as long (a 6-gram model of 93,000 contexts, 30 MB a table, two CPU cores).
MOST_TABLE_BYTES = 2**30


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
    def arrays(self) -> dict[str, np.ndarray]:
        """All of it by name, of which `from_arrays` makes it again."""
        named = {f"{field} {n}": value for n, order in enumerate(self.orders) for field, value in vars(order).items()}
        return named | {"characters": np.frombuffer(self.characters.encode("utf-32-le"), "<u4")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "NGramModel":
        """Raises KeyError if one is missing."""
        fields = [field.name for field in dataclasses.fields(NGramOrder)]
        count = sum(name.startswith(f"{fields[0]} ") for name in arrays)
        orders = (NGramOrder(**{field: arrays[f"{field} {n}"] for field in fields}) for n in range(count))
        return cls(arrays["characters"].tobytes().decode("utf-32-le"), tuple(orders))

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


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NGramTables:
    """A language model for the classes of an alphabet. A context is a row; 0 is the empty one."""

    # Natural log probability of each class after each context, float32; 0 for classes that are no characters, which
    # are never looked up
    log_probs_SxK: Float[Array, "S K"]
    next_SxK: Int[Array, "S K"]  # the context after it, int32
    log_ends_S: Float[Array, " S"]  # natural log probability that the text ends after the context, float32
    start: Int[Array, ""]  # the context at the start of a text, int32


def restrict_characters(model: NGramModel, alphabet: Alphabet) -> NGramModel:
    """The model without the n-grams that hold a character outside the alphabet, the space aside."""
    characters = "".join(character for character in model.characters if character in alphabet.characters + " ")
    old_ids = [*range(FIRST_CHARACTER_ID), *(encode_text(characters, model.characters).tolist())]
    new_ids_V = np.full(model.num_tokens, -1, np.int32)
    new_ids_V[old_ids] = np.arange(len(old_ids))
    orders = []
    for order in model.orders:
        ngrams_MxN = new_ids_V[order.ngrams_MxN]
        kept_M = (ngrams_MxN >= 0).all(axis=1)
        orders.append(NGramOrder(ngrams_MxN[kept_M], order.log10_probs_M[kept_M], order.log10_backoffs_M[kept_M]))
    return NGramModel(characters, tuple(orders))


def build_ngram_tables(model: NGramModel, alphabet: Alphabet, where: str = "language model") -> NGramTables:
    """The tables of a model. Characters of the alphabet that the model lacks are unknown characters to it.

    For an alphabet without the space, a text is one word of the running text that the model knows: it begins after a
    space, and ends where the text or the word does.

    `where` names the model in messages, such as its path. Raises InputError: the model knows characters that the
    alphabet lacks, as one of another alphabet does; or the tables are too large.
    """
    outside = alphabet.outside(model.characters)
    if outside.strip():
        listed = " ".join(map(repr, outside[:8])) + (" ..." if len(outside) > 8 else "")
        raise InputError(
            f"{where}: has characters that are not in the recognizer's alphabet: {listed}; train it for this alphabet"
        )
    num_contexts = 1 + sum(int(_is_context(order.ngrams_MxN).sum()) for order in model.orders[:-1])
    if (table_bytes := 8 * num_contexts * alphabet.num_classes) > MOST_TABLE_BYTES:
        raise InputError(
            f"{where}: {num_contexts} contexts need {table_bytes / 2**20:.0f} MiB; train with a lower order than "
            f"{model.order}, or on less text"
        )
    log_probs_SxV, next_SxV = _resolve(model, num_contexts)
    start, log_ends_S = next_SxV[0, START_ID], log_probs_SxV[:, END_ID]
    if outside:
        space = encode_text(" ", model.characters)[0]
        start = next_SxV[0, space] or start  # a model of an order below 2, or of texts without spaces, has no such row
        log_ends_S = np.logaddexp(log_ends_S, log_probs_SxV[:, space])
    tokens_K = np.full(alphabet.num_classes, UNKNOWN_ID)
    tokens_K[1 : len(alphabet.characters) + 1] = encode_text(alphabet.characters, model.characters)
    return NGramTables(
        jnp.asarray(log_probs_SxV[:, tokens_K]),
        jnp.asarray(next_SxV[:, tokens_K]),
        jnp.asarray(log_ends_S),
        jnp.asarray(start),
    )


def _is_context(ngrams_MxN: np.ndarray) -> np.ndarray:
    return ngrams_MxN[:, -1] != END_ID


def _resolve(model: NGramModel, num_contexts: int) -> tuple[np.ndarray, np.ndarray]:
    """Natural log probability of every token after every context, and the context it leads to.

    The contexts are the empty one and the listed n-grams below the highest order, the shorter ones first. The row of a
    context is that of its longest shorter one, weighted, with its own n-grams written over it.
    """
    num_tokens = model.num_tokens
    log_probs_SxV = np.zeros((num_contexts, num_tokens), np.float32)
    next_SxV = np.zeros((num_contexts, num_tokens), np.int32)
    codes_below, rows_below = np.zeros(1, np.int64), np.zeros(1, np.int64)  # contexts of the order below
    shorter = {0: (codes_below, rows_below)}
    first_row = 1
    for length, order in enumerate(model.orders, start=1):
        codes_M = encode_ngrams(order.ngrams_MxN, num_tokens)
        context_rows_M = rows_below[np.searchsorted(codes_below, codes_M // num_tokens)]
        tokens_M = order.ngrams_MxN[:, -1]
        log_probs_SxV[context_rows_M, tokens_M] = order.log10_probs_M * math.log(10)
        if length < model.order:
            kept_M = _is_context(order.ngrams_MxN)
            codes_below = codes_M[kept_M]
            rows_below = np.arange(first_row, first_row + len(codes_below))
            first_row += len(codes_below)
            next_SxV[context_rows_M[kept_M], tokens_M[kept_M]] = rows_below
            shorter[length] = (codes_below, rows_below)
            suffix_rows = _suffix_rows(codes_below, length, shorter, num_tokens)
            backoffs = (order.log10_backoffs_M[kept_M] * math.log(10)).astype(np.float32)
            log_probs_SxV[rows_below] = log_probs_SxV[suffix_rows] + backoffs[:, None]
            next_SxV[rows_below] = next_SxV[suffix_rows]
        else:
            next_SxV[context_rows_M, tokens_M] = _suffix_rows(codes_M, length, shorter, num_tokens)
    return log_probs_SxV, next_SxV


def _suffix_rows(
    codes_M: np.ndarray, length: int, contexts: dict[int, tuple[np.ndarray, np.ndarray]], num_tokens: int
) -> np.ndarray:
    """The row of the longest context that each n-gram ends in, itself left out."""
    rows_M = np.zeros(len(codes_M), np.int64)
    for shorter in range(1, length):  # a longer one found later replaces a shorter one
        codes, rows = contexts[shorter]
        suffixes_M = codes_M % num_tokens**shorter
        index_M = np.minimum(np.searchsorted(codes, suffixes_M), len(codes) - 1)
        rows_M = np.where(codes[index_M] == suffixes_M, rows[index_M], rows_M)
    return rows_M
