"""Tables as aligned text."""

import textwrap
from collections.abc import Sequence

_CELL_WIDTHS = (40, 30, 24, 18, 14)


def align_columns(
    rows: Sequence[Sequence[str]], right: Sequence[int] = (), *, max_width: int | None = None, rule: bool = False
) -> str:
    """One line a row, columns two spaces apart.

    Args:
      rows: cells, the same number in each row, column names first.
      right: indices of the columns to align on the right, which are never broken.
      max_width: columns on the left are broken into several lines until lines are no longer than this, if possible.
      rule: whether dashes are drawn below the first row.
    """
    table = _align(rows, right, None, rule)
    for cell_width in _CELL_WIDTHS if max_width else ():
        if max(map(len, table)) <= (max_width or 0):
            break
        table = _align(rows, right, cell_width, rule)
    return "\n".join(table)


def _align(rows: Sequence[Sequence[str]], right: Sequence[int], cell_width: int | None, rule: bool) -> list[str]:
    cells = [
        [[text] if cell_width is None or index in right else _break(text, cell_width) for index, text in enumerate(row)]
        for row in rows
    ]
    widths = [max(len(line) for cell in column for line in cell) for column in zip(*cells, strict=True)]
    if rule:
        cells.insert(1, [["-" * width] for width in widths])
    lines = []
    for row in cells:
        for number in range(max(map(len, row))):
            texts = [cell[number] if number < len(cell) else "" for cell in row]
            aligned = [
                text.rjust(width) if index in right else text.ljust(width)
                for index, (text, width) in enumerate(zip(texts, widths, strict=True))
            ]
            lines.append("  ".join(aligned).rstrip())
    return lines


def _break(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
