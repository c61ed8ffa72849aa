"""Pages that were read as tables and as JSON: a row a word, or an object a page."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from hwr_jax.layout.page import Box, Line, Page

COLUMNS = (
    "path",
    "page",
    "region",
    "line",
    "word",
    "left",
    "top",
    "right",
    "bottom",
    "confidence",
    "text",
)


def write_heading() -> str:
    """The first row of a table."""
    return _row(COLUMNS)


def write_rows(page: Page, path: str, number: int) -> str:
    """A row for each word of a page: numbers from 1, its box in pixels, its confidence and its text.

    Of a line whose words are nowhere in it there is one row, without the number of a word.
    """
    rows = []
    for place, line in enumerate(page.lines, start=1):
        for word, box, confidence, text in _words(line):
            numbers = (number, line.region + 1, place, word)
            rows.append(_row((path, *numbers, *(round(edge) for edge in box), f"{confidence:.4f}", text)))
    return "".join(rows)


def _words(line: Line) -> list[tuple[int | str, Box, float, str]]:
    known = [(n, word.box, word.confidence, word.text) for n, word in enumerate(line.words, 1) if word.box is not None]
    if len(known) == len(line.words) > 0:
        return [*known]
    return [("", line.box, line.confidence, line.text)] if line.text else []


def describe_page(page: Page) -> dict[str, Any]:
    """The values of a page for JSON: points are [x, y], boxes [left, top, right, bottom], in pixels of its image."""
    return {
        "width": page.width_px,
        "height": page.height_px,
        "quarter_turns": page.quarter_turns,
        "text": page.text,
        "regions": [{"outline": _rounded(region.outline_Nx2.tolist())} for region in page.regions],
        "lines": [_describe_line(line) for line in page.lines],
    }


def _describe_line(line: Line) -> dict[str, Any]:
    described = {
        "region": line.region,
        "text": line.text,
        "confidence": round(line.confidence, 6),
        "outline": _rounded(line.outline_Nx2.tolist()),
        "baseline": _rounded(line.baseline_Mx2.tolist()),
        "words": [
            {
                "text": word.text,
                "confidence": round(word.confidence, 6),
                "box": None if word.box is None else [round(edge, 1) for edge in word.box],
            }
            for word in line.words
        ],
    }
    return described | ({"problem": line.problem} if line.problem else {})


def _rounded(points: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[round(value, 1) for value in point] for point in points]


def _row(values: Sequence[Any]) -> str:
    """Cells with tabs between them; one with a tab, a quote or a line end is quoted, as spreadsheets read it."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t", lineterminator="\n").writerow(values)
    return buffer.getvalue()
