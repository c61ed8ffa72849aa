"""How far a reading is from the truth: edit distance over characters and over words, kept as sums."""

import dataclasses
from collections.abc import Sequence


def edit_distance(truth: Sequence, reading: Sequence) -> int:
    """The fewest insertions, deletions and substitutions that turn one sequence into the other.

    Levenshtein, Binary codes capable of correcting deletions, insertions and reversals (1966). O(len * len) time.
    """
    if truth == reading:
        return 0
    row = list(range(len(reading) + 1))
    for i, expected in enumerate(truth, start=1):
        diagonal, row[0] = row[0], i
        for j, got in enumerate(reading, start=1):
            above = row[j]
            if expected == got:
                row[j] = diagonal
            else:
                row[j] = 1 + min(diagonal, above, row[j - 1])
            diagonal = above
    return row[-1]


@dataclasses.dataclass(frozen=True)
class Edits:
    """Sums of which CER and WER are made; they add up over samples.

    Attributes:
      samples: how many.
      characters: of the truth, spaces counted.
      character_edits: edit distance over characters.
      words: of the truth, parted by white space.
      word_edits: edit distance over words.
      casefolded_edits: edit distance over characters after both texts are casefolded.
      casefolded_word_edits: likewise over words.
    """

    samples: int = 0
    characters: int = 0
    character_edits: int = 0
    words: int = 0
    word_edits: int = 0
    casefolded_edits: int = 0
    casefolded_word_edits: int = 0

    def __add__(self, other: "Edits") -> "Edits":
        return Edits(
            self.samples + other.samples,
            self.characters + other.characters,
            self.character_edits + other.character_edits,
            self.words + other.words,
            self.word_edits + other.word_edits,
            self.casefolded_edits + other.casefolded_edits,
            self.casefolded_word_edits + other.casefolded_word_edits,
        )

    @property
    def cer(self) -> float:
        """Character error rate; NaN without characters."""
        return _ratio(self.character_edits, self.characters)

    @property
    def wer(self) -> float:
        """Word error rate; NaN without words."""
        return _ratio(self.word_edits, self.words)

    @property
    def cer_casefolded(self) -> float:
        """Character error rate when case does not matter; NaN without characters."""
        return _ratio(self.casefolded_edits, self.characters)

    @property
    def wer_casefolded(self) -> float:
        """Word error rate when case does not matter; NaN without words."""
        return _ratio(self.casefolded_word_edits, self.words)


def count_edits(truth: str, reading: str) -> Edits:
    """The sums of one sample."""
    truth_words, reading_words = truth.split(), reading.split()
    folded_truth, folded_reading = truth.casefold(), reading.casefold()
    return Edits(
        samples=1,
        characters=len(truth),
        character_edits=edit_distance(truth, reading),
        words=len(truth_words),
        word_edits=edit_distance(truth_words, reading_words),
        casefolded_edits=edit_distance(folded_truth, folded_reading),
        casefolded_word_edits=edit_distance(folded_truth.split(), folded_reading.split()),
    )


def _ratio(edits: int, length: int) -> float:
    return edits / length if length else float("nan")
