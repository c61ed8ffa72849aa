"""How far the text of a page is from the truth: in reading order, and whatever the order of its lines."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist
from scipy.optimize import linear_sum_assignment

from hwr_jax.text.distance import Edits, count_edits
from hwr_jax.text.normalization import normalize_text


@dataclasses.dataclass(frozen=True)
class PageEdits:
    """Sums of a page, or of many; they add up."""

    edits: Edits  # of the text as a whole: the lines in reading order with spaces between them
    # Of the lines, each with the one that it fits best, without the spaces between them
    line_edits: int
    line_characters: int

    def __add__(self, other: "PageEdits") -> "PageEdits":
        return PageEdits(
            self.edits + other.edits,
            self.line_edits + other.line_edits,
            self.line_characters + other.line_characters,
        )


def count_page_edits(truth: Sequence[str], found: Sequence[str]) -> PageEdits:
    """The sums of a page, of the lines of the truth and those that were found, each in reading order.

    Lines are in NFC with single spaces; those without a text do not count.
    """
    truth, found = ([line for line in map(normalize_text, lines) if line] for lines in (truth, found))
    characters = sum(map(len, truth))
    return PageEdits(count_edits(" ".join(truth), " ".join(found)), count_line_edits(truth, found), characters)


def count_line_edits(truth: Sequence[str], found: Sequence[str]) -> int:
    """The fewest edits that make the lines of the truth of those that were found, if their order does not matter.

    Each line is matched with one other at most (Kuhn, The Hungarian method for the assignment problem, 1955); one that
    is left over takes an edit for each of its characters.
    """
    if not truth or not found:
        return sum(map(len, (*truth, *found)))
    rows, columns = len(truth), len(found)
    costs = np.zeros((rows + columns, rows + columns))
    costs[:rows, :columns] = cdist(truth, found, scorer=Levenshtein.distance)
    # A line of the truth with none that was found, and the other way round.
    costs[:rows, columns:] = np.array([[len(line)] for line in truth])
    costs[rows:, :columns] = np.array([len(line) for line in found])
    return round(float(costs[linear_sum_assignment(costs)].sum()))
