"""A sheet of samples to look at: each image with its text and id."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from hwr_jax.data.sample import Sample
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey

COLUMNS = 4
_CELL_PX = (320, 124)  # width, height
_IMAGE_PX = (296, 64)
_MARGIN_PX = 24
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
    draw.text((_MARGIN_PX, _MARGIN_PX), title, fill=_INK, font=ImageFont.load_default(20))
    for index, sample in enumerate(samples):
        row, column = divmod(index, COLUMNS)
        corner = (_MARGIN_PX + column * _CELL_PX[0], header_px + row * _CELL_PX[1])
        _draw_cell(sheet, draw, corner, sample)
    return sheet


def _draw_cell(sheet: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], sample: Sample) -> None:
    x, y = corner
    text_font, id_font = ImageFont.load_default(17), ImageFont.load_default(11)
    try:
        image = Image.fromarray(open_grey(sample.image, "image"))
    except InputError as error:
        draw.text((x, y), _shorten(str(error), draw, id_font), fill=_WRONG, font=id_font)
    else:
        image.thumbnail(_IMAGE_PX)
        sheet.paste(image, (x, y))
        draw.rectangle((x - 1, y - 1, x + image.width, y + image.height), outline=_FRAME)
    below = y + _IMAGE_PX[1] + 4
    draw.text((x, below), _shorten(sample.text, draw, text_font), fill=_INK, font=text_font)
    draw.text((x, below + 24), _shorten(sample.id, draw, id_font), fill=_FAINT, font=id_font)


def _shorten(text: str, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if draw.textlength(text, font) <= _IMAGE_PX[0]:
        return text
    while text and draw.textlength(text + "...", font) > _IMAGE_PX[0]:
        text = text[:-1]
    return text + "..."
