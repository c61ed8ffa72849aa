"""The page of `hwr read --review`: readings to check, the least certain first."""

import base64
import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from hwr_jax.reports.page import render

# Characters below it are marked, the less certain the more.
UNCERTAIN_BELOW = 0.9
_MOST_HEIGHT_PX, _MOST_WIDTH_PX, _QUALITY = 110, 1800, 82


@dataclasses.dataclass(frozen=True)
class ReviewItem:
    """A reading as the page shows it."""

    name: str  # of the image, or of the line
    text: str
    confidence: float  # that all of the text is right, 0 .. 1
    characters: tuple[tuple[str, float], ...]  # of the text, each with its confidence; () where they are not known
    alternatives: tuple[str, ...]  # other texts, the likeliest first
    problem: str | None  # why there is no text, or None
    accepted: bool  # whether it need not be checked
    image: str | None  # as a data URI


def build_review_page(items: Sequence[ReviewItem], facts: Mapping[str, Any], promise: str = "") -> str:
    """A self-contained HTML page, which fetches nothing: `facts` for its heading, the readings, and a sentence on which
    are accepted. What was typed into it can be saved as a table with the columns path and text, as
    `hwr data prepare manifest/NAME` takes it.
    """
    ordered = sorted(items, key=lambda item: (item.accepted, item.problem is None, item.confidence))
    return render(
        "review.html",
        title="Readings to check",
        facts=facts,
        items=ordered,
        promise=promise,
        accepted=sum(item.accepted for item in items),
        unread=sum(item.problem is not None for item in items),
        doubt=doubt,
    )


def doubt(confidence: float) -> int:
    """How much a character or word of such a confidence is marked: 0 not at all, 3 the most."""
    return 0 if confidence >= UNCERTAIN_BELOW else 1 if confidence >= 0.7 else 2 if confidence >= 0.4 else 3


def encode_image(image_HxW: np.ndarray) -> str:
    """An image, uint8, as a data URI of a JPEG that is no larger than it is shown."""
    height, width = image_HxW.shape
    scale = min(1.0, _MOST_HEIGHT_PX / height, _MOST_WIDTH_PX / width)
    image = Image.fromarray(image_HxW)
    if scale < 1:
        image = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode()
