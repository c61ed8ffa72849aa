"""A page with its lines drawn on it."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hwr_jax.layout.page_layout import PageLayout
from hwr_jax.reports.boxes import SHADES

_LONGEST_SIDE_PX = 2000
_TINT, _REGION, _BASELINE = 56, (90, 90, 90, 255), (200, 30, 60, 255)


def draw_layout(page_HxW: np.ndarray, layout: PageLayout) -> bytes:
    """The page, uint8, made smaller where it is large; on it regions, outlines, baselines and the order of the lines.

    Returns a JPEG.
    """
    height, width = page_HxW.shape
    scale = min(1.0, _LONGEST_SIDE_PX / max(height, width))
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    image = Image.fromarray(page_HxW).resize(size, Image.Resampling.BOX, reducing_gap=2.0).convert("RGBA")
    drawn = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(drawn)
    thick = max(round(max(size) / 700), 1)
    for region in layout.regions:
        draw.polygon(_points(region.outline_Nx2, scale), outline=_REGION, width=thick)
    for number, line in enumerate(layout.lines):
        shade = SHADES[number % 2]
        draw.polygon(_points(line.outline_Nx2, scale), fill=(*shade, _TINT), outline=(*shade, 255))
        draw.line(_points(line.baseline_Mx2, scale), fill=_BASELINE, width=thick)
    font = ImageFont.load_default(max(round(max(size) / 90), 9))
    for number, line in enumerate(layout.lines, start=1):
        x, y = (line.baseline_Mx2[0] * scale).tolist()
        at = (max(x - 4, 14), y)
        draw.text(at, str(number), font=font, fill=_BASELINE, anchor="rs", stroke_width=2, stroke_fill="white")
    encoded = io.BytesIO()
    Image.alpha_composite(image, drawn).convert("RGB").save(encoded, "JPEG", quality=85)
    return encoded.getvalue()


def _points(points_Px2: np.ndarray, scale: float) -> list[tuple[float, ...]]:
    return [tuple(point) for point in (points_Px2 * scale).tolist()]
