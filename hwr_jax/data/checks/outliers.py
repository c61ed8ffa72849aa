"""Writers and sources whose labels are unlike those of all others: another language, made-up words, program code."""

import collections
import dataclasses
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence

LEAST_LABELS = 20
# Fewer groups have no usual spread to be outside of.
LEAST_GROUPS = 5
ODD_FROM = 2.5
_PRIOR = 5.0
_EXAMPLES = 8


@dataclasses.dataclass(frozen=True)
class OddGroup:
    """A writer or source with labels unlike all others'."""

    name: str  # of the writer or source
    labels: int  # how many there are
    bits: float  # a character takes on average, under what all other groups write
    usual_bits: float  # the median of all groups
    # how far `bits` is above it, in robust standard deviations (1.4826 times the median absolute deviation)
    score: float
    words: tuple[str, ...]  # its most surprising ones


def source_of(id: str) -> str:
    """The source that an id names: its first folders, two at most; "" if it names none."""
    return "/".join(id.split("/")[:-1][:2])


def find_odd_groups(texts: Sequence[str], groups: Sequence[str]) -> tuple[OddGroup, ...]:
    """Groups whose labels surprise a model of all other groups' labels, the oddest first.

    The model is of character trigrams, smoothed with bigrams and single characters by a Dirichlet prior (MacKay and
    Bauman Peto, A hierarchical Dirichlet language model, 1995), of words without their case. Each group is left out of
    the counts that it is measured with.
    Groups named "" and those of fewer than LEAST_LABELS labels are not judged.
    """
    labels = collections.Counter(groups)
    words: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    everything = _Counts()
    for text, group in zip(texts, groups, strict=True):
        for word in text.casefold().split():
            everything.add(word, 1)
            if group and labels[group] >= LEAST_LABELS:
                words[group][word] += 1
    surprises = {group: _Surprise(counts, everything) for group, counts in words.items()}
    if len(surprises) < LEAST_GROUPS:
        return ()
    bits = {group: surprise.mean() for group, surprise in surprises.items()}
    usual = statistics.median(bits.values())
    spread = 1.4826 * statistics.median(abs(value - usual) for value in bits.values())
    odd = [
        OddGroup(name, labels[name], value, usual, (value - usual) / spread, surprises[name].worst_words())
        for name, value in bits.items()
        if spread and (value - usual) / spread >= ODD_FROM
    ]
    return tuple(sorted(odd, key=lambda group: (-group.score, group.name)))


class _Counts:
    """Of trigrams, bigrams and characters, and of what comes before them."""

    def __init__(self) -> None:
        self.grams = collections.Counter[str]()
        self.contexts = collections.Counter[str]()

    def add(self, word: str, times: int) -> None:
        for gram in _trigrams(word):
            for part in (gram, gram[1:], gram[2:]):
                self.grams[part] += times
                # The length tells the contexts "" of characters and "a" of bigrams from "ab" of trigrams.
                self.contexts[part[:-1]] += times


class _Surprise:
    def __init__(self, words: Mapping[str, int], everything: _Counts) -> None:
        self._words, self._all, self._own = words, everything, _Counts()
        for word, times in words.items():
            self._own.add(word, times)
        self._characters = 1 + sum(len(gram) == 1 for gram in everything.grams)

    def mean(self) -> float:
        """Bits a character, a word's end being one."""
        total = sum(times * self._bits(word) for word, times in self._words.items())
        return total / sum(times * (len(word) + 1) for word, times in self._words.items())

    def worst_words(self) -> tuple[str, ...]:
        each = {word: self._bits(word) / (len(word) + 1) for word in self._words}
        return tuple(sorted(each, key=lambda word: (-each[word], word))[:_EXAMPLES])

    def _bits(self, word: str) -> float:
        return -sum(math.log2(self._probability(gram)) for gram in _trigrams(word))

    def _probability(self, gram: str) -> float:
        probability = 1 / self._characters
        for part in (gram[2:], gram[1:], gram):
            count = self._all.grams[part] - self._own.grams[part]
            context = self._all.contexts[part[:-1]] - self._own.contexts[part[:-1]]
            probability = (count + _PRIOR * probability) / (context + _PRIOR)
        return probability


def _trigrams(word: str) -> Iterator[str]:
    # White space cannot be in a word, so it can mark the ends.
    marked = f"  {word} "
    return (marked[start : start + 3] for start in range(len(marked) - 2))
