"""A picture of an image with the places of its characters."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Two shades in turn, so that neighbours can be told apart.
SHADES = ((37, 99, 168), (217, 115, 13))
PAPER, MUTED = "#ffffff", "#7a8594"
MARGIN_PX, MIN_HEIGHT_PX, MAX_HEIGHT_PX, MAX_WIDTH_PX = 12, 96, 480, 2400
_OPACITY = 0.14


def draw_boxes(grey_HxW: np.ndarray, boxes: Sequence[tuple[str, float | None, float | None]]) -> bytes:
    """Draws each character under its columns of the image, which are tinted.

    Args:
      grey_HxW: uint8, the image; it is drawn larger or smaller so that letters can be read.
      boxes: character, left and right in pixels of the image; None where that is not known, and nothing is drawn.

    Returns:
      An encoded PNG.
    """
    height, width = grey_HxW.shape
    scale = min(max(1.0, MIN_HEIGHT_PX / height), MAX_WIDTH_PX / width, MAX_HEIGHT_PX / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = Image.fromarray(grey_HxW).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    places = [(c, left * scale, right * scale) for c, left, right in boxes if left is not None and right is not None]
    narrowest = min((right - left for _, left, right in places), default=24.0)
    text_px = round(min(max(narrowest * 0.9, 11), 28))
    sheet = Image.new("RGB", (size[0] + 2 * MARGIN_PX, size[1] + text_px + 3 * MARGIN_PX), PAPER)
    for place, (_, left, right) in enumerate(places):
        area = tuple(map(round, (left, 0, max(right, left + 1), size[1])))
        part = picture.crop(area)
        picture.paste(Image.blend(part, Image.new("RGB", part.size, SHADES[place % 2]), _OPACITY), area)
    sheet.paste(picture, (MARGIN_PX, MARGIN_PX))
    draw = ImageDraw.Draw(sheet)
    bottom = MARGIN_PX + size[1]
    for place, (character, left, right) in enumerate(places):
        shade = SHADES[place % 2]
        x = MARGIN_PX + left, MARGIN_PX + right
        draw.line((x[0], MARGIN_PX, x[0], bottom + 5), fill=shade)
        draw.line((x[1], MARGIN_PX, x[1], bottom + 5), fill=shade)
        font = ImageFont.load_default(text_px)
        draw.text(((x[0] + x[1]) / 2, bottom + 6), character, font=font, fill=shade, anchor="ma")
    if not places:
        font = ImageFont.load_default(14)
        draw.text((MARGIN_PX, bottom + 6), "no text" if not boxes else "no places", font=font, fill=MUTED)
    encoded = io.BytesIO()
    sheet.save(encoded, "PNG", optimize=True)
    return encoded.getvalue()
