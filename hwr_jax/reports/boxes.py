"""An image drawn with the positions of its characters."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Two shades in turn, so that neighbours differ.
SHADES = ((37, 99, 168), (217, 115, 13))
BACKGROUND, MUTED = "#ffffff", "#7a8594"
MARGIN_PX, MIN_HEIGHT_PX, MAX_HEIGHT_PX, MAX_WIDTH_PX = 12, 96, 480, 2400
_OPACITY = 0.14


def draw_boxes(grey_HxW: np.ndarray, boxes: Sequence[tuple[str, float | None, float | None]]) -> bytes:
    """Draws each character under its columns of the image, which are tinted; larger or smaller, so that it can be read.

    Takes uint8, and of each character left and right in pixels of the image; None where that is not known, and nothing
    is drawn. Returns a PNG.
    """
    height, width = grey_HxW.shape
    scale = min(max(1.0, MIN_HEIGHT_PX / height), MAX_WIDTH_PX / width, MAX_HEIGHT_PX / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(grey_HxW).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    spans = [(c, left * scale, right * scale) for c, left, right in boxes if left is not None and right is not None]
    narrowest = min((right - left for _, left, right in spans), default=24.0)
    text_px = round(min(max(narrowest * 0.9, 11), 28))
    sheet = Image.new("RGB", (size[0] + 2 * MARGIN_PX, size[1] + text_px + 3 * MARGIN_PX), BACKGROUND)
    for index, (_, left, right) in enumerate(spans):
        area = tuple(map(round, (left, 0, max(right, left + 1), size[1])))
        part = image.crop(area)
        image.paste(Image.blend(part, Image.new("RGB", part.size, SHADES[index % 2]), _OPACITY), area)
    sheet.paste(image, (MARGIN_PX, MARGIN_PX))
    draw = ImageDraw.Draw(sheet)
    bottom = MARGIN_PX + size[1]
    for index, (character, left, right) in enumerate(spans):
        shade = SHADES[index % 2]
        x = MARGIN_PX + left, MARGIN_PX + right
        draw.line((x[0], MARGIN_PX, x[0], bottom + 5), fill=shade)
        draw.line((x[1], MARGIN_PX, x[1], bottom + 5), fill=shade)
        font = ImageFont.load_default(text_px)
        draw.text(((x[0] + x[1]) / 2, bottom + 6), character, font=font, fill=shade, anchor="ma")
    if not spans:
        font = ImageFont.load_default(14)
        draw.text((MARGIN_PX, bottom + 6), "no text" if not boxes else "no positions", font=font, fill=MUTED)
    encoded = io.BytesIO()
    sheet.save(encoded, "PNG", optimize=True)
    return encoded.getvalue()
