"""How far a prediction is from the truth: edit distance over characters and over words, kept as sums."""

import dataclasses
from collections.abc import Hashable, Sequence

from rapidfuzz.distance import Levenshtein


def edit_distance(truth: Sequence[Hashable], prediction: Sequence[Hashable]) -> int:
    """The fewest insertions, deletions and substitutions that turn one sequence into the other.

    Levenshtein, Binary codes capable of correcting deletions, insertions and reversals (1966).
    """
    return Levenshtein.distance(truth, prediction)


def find_right(truth: Sequence[Hashable], prediction: Sequence[Hashable]) -> list[bool]:
    """For each character or word of a prediction whether it is right, by one shortest edit path from the truth."""
    right = [False] * len(prediction)
    for step in Levenshtein.opcodes(truth, prediction):
        if step.tag == "equal":
            right[step.dest_start : step.dest_end] = [True] * (step.dest_end - step.dest_start)
    return right


def align(truth: str, prediction: str) -> list[tuple[str, str]]:
    """The steps of one shortest edit path, in order: (of the truth, of the prediction), "" where there is none.

    ("a", "a") was read right, ("a", "o") wrongly, ("a", "") missed, ("", "a") made up. Of several shortest paths the
    one that substitutes latest in the texts is taken; rapidfuzz's takes insertions and deletions first.
    """
    distances = [[i + j if i == 0 or j == 0 else 0 for j in range(len(prediction) + 1)] for i in range(len(truth) + 1)]
    for i, expected in enumerate(truth, start=1):
        for j, got in enumerate(prediction, start=1):
            distances[i][j] = min(
                distances[i - 1][j - 1] + (expected != got), distances[i - 1][j] + 1, distances[i][j - 1] + 1
            )
    steps = []
    i, j = len(truth), len(prediction)
    while i or j:
        if i and j and distances[i][j] == distances[i - 1][j - 1] + (truth[i - 1] != prediction[j - 1]):
            i, j = i - 1, j - 1
            steps.append((truth[i], prediction[j]))
        elif i and distances[i][j] == distances[i - 1][j] + 1:
            i -= 1
            steps.append((truth[i], ""))
        else:
            j -= 1
            steps.append(("", prediction[j]))
    return steps[::-1]


@dataclasses.dataclass(frozen=True)
class Edits:
    """Sums of which CER and WER are made; they add up over samples. Rates are NaN where there is no truth."""

    samples: int = 0  # how many
    characters: int = 0  # of the truth, spaces counted
    character_edits: int = 0  # edit distance over characters
    words: int = 0  # of the truth, separated by white space
    word_edits: int = 0  # edit distance over words
    casefolded_edits: int = 0  # edit distance over characters after both texts are casefolded
    casefolded_word_edits: int = 0  # likewise over words

    def __add__(self, other: "Edits") -> "Edits":
        return Edits(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def cer(self) -> float:
        """Character error rate."""
        return _ratio(self.character_edits, self.characters)

    @property
    def wer(self) -> float:
        """Word error rate."""
        return _ratio(self.word_edits, self.words)

    @property
    def cer_casefolded(self) -> float:
        """Character error rate when case does not matter."""
        return _ratio(self.casefolded_edits, self.characters)

    @property
    def wer_casefolded(self) -> float:
        """Word error rate when case does not matter."""
        return _ratio(self.casefolded_word_edits, self.words)


def count_edits(truth: str, prediction: str) -> Edits:
    """The sums of one sample."""
    folded_truth, folded_prediction = truth.casefold(), prediction.casefold()
    return Edits(
        samples=1,
        characters=len(truth),
        character_edits=edit_distance(truth, prediction),
        words=len(truth.split()),
        word_edits=edit_distance(truth.split(), prediction.split()),
        casefolded_edits=edit_distance(folded_truth, folded_prediction),
        casefolded_word_edits=edit_distance(folded_truth.split(), folded_prediction.split()),
    )


def _ratio(edits: int, length: int) -> float:
    return edits / length if length else float("nan")
