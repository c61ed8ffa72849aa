"""Pieces of self-contained HTML pages."""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from hwr_jax.text.distance import align


def build_page(title: str, style: str, body: Iterable[str]) -> str:
    """A whole page that needs no other file.

    Args:
      title: plain text.
      style: CSS.
      body: HTML, one part after the other.
    """
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def build_head(title: str, facts: dict[str, Any]) -> str:
    """The page's heading, and a line of facts of which those that are None or "" are left out."""
    told = "".join(
        f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>"
        for key, value in facts.items()
        if value not in (None, "")
    )
    return f"<header><h1>{escape(title)}</h1><dl>{told}</dl></header>"


def build_section(title: str, body: str, remark: str = "") -> str:
    """A titled box; `body` is HTML, the rest plain text."""
    small = f" <small>{escape(remark)}</small>" if remark else ""
    return f"<section><h2>{escape(title)}{small}</h2>{body}</section>"


def build_rate(rate: float | None, interval: Sequence[float] | None) -> str:
    """A table cell: per cent, and the interval below."""
    if rate is None:
        return "<td>-</td>"
    between = f"<small>{100 * interval[0]:.2f} - {100 * interval[1]:.2f}</small>" if interval else ""
    return f"<td><b>{100 * rate:.2f} %</b>{between}</td>"


def build_number(value: int | float | None, form: str = ",") -> str:
    """A table cell: the number in that format, or "-"."""
    return "<td>-</td>" if value is None else f"<td>{value:{form}}</td>"


def build_reading(truth: str, prediction: str) -> str:
    """The prediction, with what differs from the truth marked."""
    parts = []
    for expected, got in align(truth, prediction):
        if expected == got:
            parts.append(escape(got))
        elif got:
            parts.append(f"<em>{escape(got)}</em>")
        else:
            parts.append("<del></del>")
    return "".join(parts) or "&nbsp;"


def count_of(things: Sequence[Any], noun: str) -> str:
    """ "1 writer", "37 writers"."""
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"


def image_uri(image_HxW: np.ndarray) -> str:
    """An image as a data URI of a PNG. Takes uint8."""
    encoded = io.BytesIO()
    Image.fromarray(image_HxW).save(encoded, "PNG")
    return "data:image/png;base64," + base64.b64encode(encoded.getvalue()).decode()


def escape(value: Any) -> str:
    """The value as text, safe in HTML and in attributes."""
    return html.escape(str(value), quote=True)
