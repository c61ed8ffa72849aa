"""Pages from the templates beside this file: HTML pages that need no other file, and model cards."""

import base64
import functools
import io
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from hwr_jax.messages import count_of
from hwr_jax.reports.tables import ABSENT, show_interval, show_number, show_percent
from hwr_jax.text.distance import align

# An image so many times as wide as high is a line, and gets a row of its own.
_LONG = 8
TEMPLATES = Path(__file__).resolve().parent / "templates"


def render(template: str, folder: Path = TEMPLATES, **values: Any) -> str:
    """The text of a template in a folder; those of this package can be extended and imported too.

    In one whose name ends in .html all values but `markupsafe.Markup` are escaped, and a missing one is an error; in
    others nothing is escaped, and a missing one counts as false.
    """
    return _environment(folder, template.endswith(".html")).get_template(template).render(values)


@functools.cache
def _environment(folder: Path, is_html: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, TEMPLATES]),
        autoescape=is_html,
        undefined=jinja2.StrictUndefined if is_html else jinja2.ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "ABSENT": ABSENT,
        "align": align,
        "count_of": count_of,
        "image_uri": image_uri,
        "is_long": lambda image_HxW: image_HxW.shape[1] > _LONG * image_HxW.shape[0],
        "show_interval": show_interval,
        "show_number": show_number,
        "show_percent": show_percent,
        "trim_columns": trim_columns,
    }
    return environment


def trim_columns(image_HxW: np.ndarray) -> np.ndarray:
    """The image, uint8, without most of the white columns to the left and right of its ink, if it is as wide as a line.

    Images of lines are padded to the width of the longest. What is left is at least four times as wide as high.
    """
    height, width = image_HxW.shape
    columns = np.flatnonzero((image_HxW != 255).any(axis=0))
    if width <= _LONG * height or not len(columns):
        return image_HxW
    margin = height // 4
    left, right = max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + 1 + margin)
    left = min(left, max(0, right - 4 * height))
    return image_HxW[:, left : max(right, left + 4 * height)]


def image_uri(image_HxW: np.ndarray) -> str:
    """An image as a data URI of a PNG. Takes uint8."""
    encoded = io.BytesIO()
    Image.fromarray(image_HxW).save(encoded, "PNG")
    return "data:image/png;base64," + base64.b64encode(encoded.getvalue()).decode()
