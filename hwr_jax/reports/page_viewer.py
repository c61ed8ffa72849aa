"""The page of `hwr read --viewer`: a scan with its lines drawn, and the text beside it."""

import base64
import io
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from hwr_jax.layout.page import Page
from hwr_jax.reports.page import render
from hwr_jax.reports.review_page import UNCERTAIN_BELOW, doubt

# The scan is shown with so many pixels at most, which is enough for reading it on a large screen.
_LONGEST_PX, _QUALITY = 2200, 75


def build_page_viewer(page: Page, grey_HxW: np.ndarray, title: str, facts: Mapping[str, Any]) -> str:
    """A self-contained HTML page, which fetches nothing.

    A click on a line of the scan jumps to its text, one on a word of the text to its place; the arrow keys go from line
    to line, n and p from one uncertain word to the next. A turned page stands upright.

    Args:
      page: what was read.
      grey_HxW: its image, uint8.
      title, facts: for the heading.
    """
    numbered = enumerate(page.lines)
    regions = [[*group] for _, group in itertools.groupby(numbered, key=lambda one: one[1].region)]
    upright = (page.height_px, page.width_px) if page.quarter_turns % 2 else (page.width_px, page.height_px)
    words = (word for line in page.lines for word in line.words)
    return render(
        "viewer.html",
        title=title,
        facts=facts,
        page=page,
        regions=regions,
        uncertain=sum(word.confidence < UNCERTAIN_BELOW for word in words),
        image=_encode(grey_HxW),
        width=upright[0],
        height=upright[1],
        transform=_turn(page),
        points=_points,
        doubt=doubt,
    )


def _turn(page: Page) -> str:
    """What turns the image upright, for SVG."""
    width, height = page.width_px, page.height_px
    moved = ((0, 0), (0, width), (width, height), (height, 0))[page.quarter_turns % 4]
    return f"translate({moved[0]} {moved[1]}) rotate({-90 * (page.quarter_turns % 4)})"


def _points(points: Any) -> str:
    return " ".join(f"{value:.1f}" for value in np.asarray(points, np.float64).ravel().tolist())


def _encode(grey_HxW: np.ndarray) -> str:
    image = Image.fromarray(grey_HxW)
    image.thumbnail((_LONGEST_PX, _LONGEST_PX), Image.Resampling.BOX, reducing_gap=None)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode()
