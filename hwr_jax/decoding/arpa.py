"""Language models as ARPA files, the text format of SRILM and KenLM."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from hwr_jax.data.archives import decode_text
from hwr_jax.decoding.language_model import (
    FIRST_CHARACTER_ID,
    NO_UNKNOWN_LOG10,
    SPECIAL_TOKENS,
    START_LOG10,
    UNKNOWN,
    NGramModel,
    NGramOrder,
    check_order,
    encode_ngrams,
)
from hwr_jax.errors import InputError
from hwr_jax.files import GZIPPED, unzip, write_bytes
from hwr_jax.messages import describe_unread

# Tokens are separated by spaces, so the space itself needs a name.
SPACE_TOKEN = "<space>"
_KENLM = b"mmap lm http://kheafield.com/code"  # how KenLM's binary files begin
# An n-gram as its line says it: tokens, log10 probability, log10 back-off.
_NGram = tuple[tuple[str, ...], float, float]


def write_arpa(model: NGramModel, path: Path) -> None:
    """Writes a model, gzipped where the path ends in .gz; `read_arpa` reads the same model, bit for bit. The same model
    gives the same bytes. Raises OSError."""
    tokens = [*SPECIAL_TOKENS, *(SPACE_TOKEN if c == " " else c for c in model.characters)]
    lines = ["\\data\\"]
    lines += [f"ngram {length}={len(order.ngrams_MxN)}" for length, order in enumerate(model.orders, start=1)]
    for length, order in enumerate(model.orders, start=1):
        lines += ["", f"\\{length}-grams:"]
        columns = (order.ngrams_MxN, order.log10_probs_M, order.log10_backoffs_M)
        for ngram, log10_prob, log10_backoff in zip(*(column.tolist() for column in columns), strict=True):
            line = f"{log10_prob!r}\t{' '.join(tokens[token] for token in ngram)}"
            lines.append(line + (f"\t{log10_backoff!r}" if length < model.order else ""))
    content = "\n".join([*lines, "", "\\end\\", ""]).encode()
    write_bytes(path, gzip.compress(content, compresslevel=6, mtime=0) if path.suffix == GZIPPED else content)


def read_arpa(path: Path) -> NGramModel:
    """Reads a character model, of this package or another, which may be gzipped.

    The start and end of a text are "<s>" and "</s>", the space is "<space>", unknown characters are "<unk>", in
    capitals too. A probability of 0, minus infinity, is read as 1e-99, which other programs write for it. Raises
    InputError: no such file; cut short or otherwise not a whole ARPA file; a model of words; n-grams twice or without
    their context.
    """
    try:
        content = path.read_bytes()
        if content.startswith(_KENLM):
            raise InputError(f"{path}: KenLM's binary form; give the .arpa file that it was built from")
        lines = decode_text(unzip(content), "utf-8").split("\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as an ARPA file: {describe_unread(error)}") from error
    sections = _Parser(path, lines).parse()
    unigrams = [ngram[0] for ngram, _, _ in sections[0]]
    characters = "".join(sorted(token for token in unigrams if token not in SPECIAL_TOKENS))
    check_order(len(sections), FIRST_CHARACTER_ID + len(characters), str(path))
    ids = {token: id for id, token in enumerate([*SPECIAL_TOKENS, *characters])}
    sections[0] += [
        ((token,), NO_UNKNOWN_LOG10 if token == UNKNOWN else START_LOG10, 0.0)
        for token in SPECIAL_TOKENS
        if token not in unigrams
    ]
    orders: list[NGramOrder] = []
    for length, section in enumerate(sections, start=1):
        try:
            orders.append(_build_order(length, section, ids, orders))
        except ValueError as error:
            raise InputError(f"{path}: not a whole ARPA file: {error}") from error
    return NGramModel(characters, tuple(orders))


class _Parser:
    """Goes through the lines that are not empty once; `number` is that of the last one, from 1."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self._path = path
        stripped = ((number, line.strip(" \t\r")) for number, line in enumerate(lines, start=1))
        self._lines = ((number, line) for number, line in stripped if line)
        self.number = 0

    def parse(self) -> list[list[_NGram]]:
        """The n-grams of each order."""
        while self._next("\\data\\") != "\\data\\":
            pass
        counts: list[int] = []
        while (line := self._next("\\1-grams:")).startswith("ngram "):
            order, _, count = line.removeprefix("ngram ").partition("=")
            if not (order.strip() == str(len(counts) + 1) and count.strip().isdecimal()):
                raise self._error(f"expected ngram {len(counts) + 1}=COUNT")
            counts.append(int(count))
        if not counts or not counts[0]:
            raise self._error("no unigrams are announced under \\data\\")
        sections = []
        for length, ngrams in enumerate(counts, start=1):
            header = f"\\{length}-grams:"
            if line != header:
                raise self._error(f"expected {header}")
            sections.append([self._parse_ngram(length, self._next(f"{ngrams} n-grams")) for _ in range(ngrams)])
            line = self._next(f"\\{length + 1}-grams:" if length < len(counts) else "\\end\\")
        if line != "\\end\\":
            raise self._error("expected \\end\\")
        return sections

    def _parse_ngram(self, length: int, line: str) -> _NGram:
        fields = [field for field in line.replace("\t", " ").split(" ") if field]
        tokens = tuple(map(_name_token, fields[1 : length + 1]))
        try:
            values = float(fields[0]), float(fields[length + 1]) if len(fields) > length + 1 else 0.0
            log10_prob, log10_backoff = (START_LOG10 if value == -math.inf else value for value in values)
        except ValueError:
            log10_prob = log10_backoff = math.nan
        if not (length + 1 <= len(fields) <= length + 2 and math.isfinite(log10_prob + log10_backoff)):
            raise self._error(f"expected a number, {length} tokens and at most one more number")
        if log10_prob > 0:
            raise self._error("a probability above 1")
        if wrong := [token for token in tokens if len(token) > 1 and token not in SPECIAL_TOKENS]:
            raise self._error(f"{wrong[0]!r} is not one character; only models of characters can be read")
        return tokens, log10_prob, log10_backoff

    def _next(self, expected: str) -> str:
        self.number, line = next(self._lines, (self.number, ""))
        if not line:
            raise InputError(f"{self._path}: not a whole ARPA file: cut short: ends where {expected} should follow")
        return line

    def _error(self, problem: str) -> InputError:
        return InputError(f"{self._path}, line {self.number}: not a whole ARPA file: {problem}")


def _name_token(token: str) -> str:
    """As we name it: some programs write <UNK>, <S> and </S>."""
    lower = token.lower()
    return " " if lower == SPACE_TOKEN else lower if lower in SPECIAL_TOKENS else token


def _build_order(length: int, section: list[_NGram], ids: dict[str, int], below: list[NGramOrder]) -> NGramOrder:
    """Raises ValueError for n-grams that are listed twice, or without their tokens or context."""
    for ngram, _, _ in section:
        if missing := [token for token in ngram if token not in ids]:
            raise ValueError(f"{missing[0]!r} of {' '.join(ngram)!r} is not among the unigrams")
    ngrams_MxN = np.array([[ids[token] for token in ngram] for ngram, _, _ in section], np.int32)
    ngrams_MxN = ngrams_MxN.reshape(len(section), length)
    codes_M = encode_ngrams(ngrams_MxN, len(ids))
    order_M = np.argsort(codes_M, kind="stable")
    codes_M = codes_M[order_M]
    if len(twice := np.flatnonzero(codes_M[1:] == codes_M[:-1])):
        raise ValueError(f"{' '.join(section[order_M[twice[0]]][0])!r} is listed twice")
    contexts = encode_ngrams(below[-1].ngrams_MxN, len(ids)) if below else [0]
    if len(alone := np.flatnonzero(~np.isin(codes_M // len(ids), contexts))):
        raise ValueError(f"{' '.join(section[order_M[alone[0]]][0])!r} is listed, but its context is not")
    values_Mx2 = np.array([values for _, *values in section], np.float64).reshape(-1, 2)[order_M]
    return NGramOrder(ngrams_MxN[order_M], values_Mx2[:, 0], values_Mx2[:, 1])
