"""A sheet of samples to look at: each image with its text and id."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from hwr_jax.data.sample import Sample
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.label_font import load_label_font, printable

COLUMNS = 4
_CELL_PX = (320, 124)  # width, height
_IMAGE_PX = (296, 64)
_MARGIN_PX = 24
_GAP_PX = 4
_PAPER, _INK, _FAINT, _FRAME, _WRONG = "#ffffff", "#1a1a1a", "#767676", "#d9d9d9", "#b00020"


def draw_sheet(samples: Sequence[Sample], title: str) -> Image.Image:
    """The samples in rows of four under a title; an image that cannot be opened shows why in its place.

    Returns:
      An RGB image, 1328 px wide.
    """
    rows = -(-len(samples) // COLUMNS)
    header_px = _MARGIN_PX + 40
    size = (2 * _MARGIN_PX + COLUMNS * _CELL_PX[0], header_px + rows * _CELL_PX[1] + _MARGIN_PX)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN_PX, _MARGIN_PX), title, fill=_INK, font=load_label_font(20))
    for index, sample in enumerate(samples):
        row, column = divmod(index, COLUMNS)
        corner = (_MARGIN_PX + column * _CELL_PX[0], header_px + row * _CELL_PX[1])
        _draw_cell(sheet, draw, corner, sample)
    return sheet


def draw_versions_sheet(
    samples: Sequence[Sample], versions: Sequence[Sequence[np.ndarray] | str], title: str
) -> Image.Image:
    """Each sample's images one below the other, the first, the original, apart from the rest; its text and id below.

    Args:
      samples: whose texts and ids stand there.
      versions: of each sample, images uint8 [H, W], all of one size and number; or in red why there are none.
      title: above all.

    Returns:
      An RGB image; images of less than 64 px are drawn larger, in pixels that can be seen.
    """
    shown = next((images for images in versions if not isinstance(images, str)), None)
    height, width = shown[0].shape if shown is not None else _IMAGE_PX[::-1]
    scale = max(1, _IMAGE_PX[1] // height)
    images_px = (scale * height + _GAP_PX) * (len(shown) if shown is not None else 1) + _GAP_PX
    cell_width, cell_height = max(scale * width, _IMAGE_PX[0]) + _MARGIN_PX, images_px + _CELL_PX[1] - _IMAGE_PX[1]
    columns = max(1, COLUMNS * _CELL_PX[0] // cell_width)
    header_px = _MARGIN_PX + 40
    rows = -(-len(samples) // columns)
    size = (2 * _MARGIN_PX + columns * cell_width, header_px + rows * cell_height + _MARGIN_PX)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN_PX, _MARGIN_PX), title, fill=_INK, font=load_label_font(20))
    for index, (sample, images) in enumerate(zip(samples, versions, strict=True)):
        row, column = divmod(index, columns)
        x, y = _MARGIN_PX + column * cell_width, header_px + row * cell_height
        if isinstance(images, str):
            _write(draw, (x, y), images, 11, _WRONG, cell_width - _MARGIN_PX)
        else:
            for place, image in enumerate(images):
                top = y + place * (scale * height + _GAP_PX) + (_GAP_PX if place else 0)
                enlarged = Image.fromarray(image).resize((scale * width, scale * height), Image.Resampling.NEAREST)
                sheet.paste(enlarged, (x, top))
                outline = _FRAME if place else _FAINT
                draw.rectangle((x - 1, top - 1, x + scale * width, top + scale * height), outline=outline)
        _write(draw, (x, y + images_px), sample.text, 17, _INK, cell_width - _MARGIN_PX)
        _write(draw, (x, y + images_px + 24), sample.id, 11, _FAINT, cell_width - _MARGIN_PX)
    return sheet


def _write(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, size: int, colour: str, room_px: int = _IMAGE_PX[0]
) -> None:
    font = load_label_font(size)
    shortened = text = printable(text, font)
    while text and draw.textlength(shortened, font) > room_px:
        text = text[:-1]
        shortened = text + "..."
    draw.text(corner, shortened, fill=colour, font=font)


def _draw_cell(sheet: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], sample: Sample) -> None:
    x, y = corner
    try:
        image = Image.fromarray(open_grey(sample.image, "image"))
    except InputError as error:
        _write(draw, (x, y), str(error), 11, _WRONG)
    else:
        image.thumbnail(_IMAGE_PX)
        sheet.paste(image, (x, y))
        draw.rectangle((x - 1, y - 1, x + image.width, y + image.height), outline=_FRAME)
    below = y + _IMAGE_PX[1] + 4
    _write(draw, (x, below), sample.text, 17, _INK)
    _write(draw, (x, below + 24), sample.id, 11, _FAINT)
