"""Aligned text tables for the terminal, and values as people write them."""

from collections.abc import Mapping, Sequence
from typing import Any


def align_columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """One line a row, columns two spaces apart.

    Args:
      rows: cells, the same number in each row.
      right: indices of the columns to align on the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def write_value(value: Any) -> str:
    """A config value: 0.003, (32, 64), adam."""
    if isinstance(value, float):
        return f"{value:g}"
    return f"({', '.join(map(write_value, value))})" if isinstance(value, list) else str(value)


def write_point(values: Mapping[str, Any]) -> str:
    """Fields and values: "optimizer.learning_rate=0.003 seed=1"."""
    return " ".join(f"{name}={write_value(value)}" for name, value in values.items())
