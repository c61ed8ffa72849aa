"""Sheets of samples as pictures: of data, of their augmented versions, and of what a model read."""

import io
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from hwr_jax.data.sample import Sample
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.label_font import load_label_font, printable
from hwr_jax.text.distance import align

if TYPE_CHECKING:
    from hwr_jax.data.stored_images import Images
    from hwr_jax.evaluation.evaluate import SampleResult

INK, FAINT, WRONG, RULE, BACKGROUND = "#1c2430", "#6b7684", "#c8102e", "#d9dde3", "#ffffff"
COLUMNS = 4
_IMAGE_PX = (296, 64)
_MARGIN_PX, _GAP_PX, _HEADING_PX = 24, 4, 40
_TEXT_PX, _ID_PX, _BELOW_PX = 17, 11, 60
# Of an evaluation: images of words are four times as wide as high; cells grow with those that are longer.
_CELL_PX, _WORD_ASPECT, _LABEL_PX = 256, 4, 15

Corner = tuple[int, int]


def draw_sample_sheet(samples: Sequence[Sample], title: str) -> Image.Image:
    """The samples in rows under a title, four words or a line each, as RGB; or why an image cannot be opened."""
    opened = [_open(sample) for sample in samples]
    aspects = [image.width / image.height for image in opened if not isinstance(image, str)]
    columns = _count_columns(statistics.median(aspects or [float(_WORD_ASPECT)]))
    width = COLUMNS * (_IMAGE_PX[0] + _MARGIN_PX) // columns - _MARGIN_PX

    def draw_cell(sheet: Image.Image, corner: Corner, item: tuple[Sample, Image.Image | str]) -> None:
        sample, image = item
        if isinstance(image, str):
            write_text(sheet, corner, image, _ID_PX, WRONG, width)
        else:
            image.thumbnail((width, _IMAGE_PX[1]))
            _paste(sheet, corner, image, RULE)
        _write_label(sheet, (corner[0], corner[1] + _IMAGE_PX[1] + _GAP_PX), sample, width)

    cells = list(zip(samples, opened, strict=True))
    return _draw_grid([(title, cells)], (width, _IMAGE_PX[1] + _BELOW_PX), columns, draw_cell)


def _open(sample: Sample) -> Image.Image | str:
    try:
        return Image.fromarray(open_grey(sample.image, "image"))
    except InputError as error:
        return str(error)


def _count_columns(aspect: float) -> int:
    """How many images, so many times as wide as high, stand side by side."""
    return min(COLUMNS, max(1, round(COLUMNS * _WORD_ASPECT / aspect)))


def draw_version_sheet(
    samples: Sequence[Sample], versions: Sequence[Sequence[np.ndarray] | str], title: str
) -> Image.Image:
    """Each sample's images one below the other, the first, the original, apart from the rest; its text and id below.

    The images are uint8 [H, W], all of one size and number; where there are none, why, in red. Returns an RGB image, in
    which images of less than 64 px are larger, in pixels that can be seen.
    """
    shown = next((images for images in versions if not isinstance(images, str)), None)
    height, width = shown[0].shape if shown is not None else _IMAGE_PX[::-1]
    scale = max(1, _IMAGE_PX[1] // height)
    images_px = (scale * height + _GAP_PX) * (len(shown) if shown is not None else 1) + _GAP_PX
    cell_width = max(scale * width, _IMAGE_PX[0])

    def draw_cell(sheet: Image.Image, corner: Corner, item: tuple[Sample, Sequence[np.ndarray] | str]) -> None:
        (x, y), (sample, images) = corner, item
        if isinstance(images, str):
            write_text(sheet, corner, images, _ID_PX, WRONG, cell_width)
        else:
            for index, image in enumerate(images):
                top = y + index * (scale * height + _GAP_PX) + (_GAP_PX if index else 0)
                enlarged = Image.fromarray(image).resize((scale * width, scale * height), Image.Resampling.NEAREST)
                _paste(sheet, (x, top), enlarged, RULE if index else FAINT)
        _write_label(sheet, (x, y + images_px), sample, cell_width)

    columns = max(1, COLUMNS * (_IMAGE_PX[0] + _MARGIN_PX) // (cell_width + _MARGIN_PX))
    items = list(zip(samples, versions, strict=True))
    return _draw_grid([(title, items)], (cell_width, images_px + _BELOW_PX), columns, draw_cell)


def draw_evaluation_sheet(
    results: "Sequence[SampleResult]", images_NxHxW: "Images", groups: Sequence[tuple[str, Sequence[int]]]
) -> Image.Image:
    """Draws samples in titled groups: each image, its transcription, and the prediction with errors in red.

    Takes the model's input for each result, uint8, and of each group title and indices of results. Returns RGB.
    """
    aspect = images_NxHxW.shape[2] / images_NxHxW.shape[1]
    columns = _count_columns(aspect)
    width = COLUMNS * (_CELL_PX + _MARGIN_PX) // columns - _MARGIN_PX
    size = width, round(width / aspect)

    def draw_cell(sheet: Image.Image, corner: Corner, index: int) -> None:
        result, draw = results[index], ImageDraw.Draw(sheet)
        right = not result.edits.character_edits
        image = Image.fromarray(images_NxHxW[index]).resize(size, Image.Resampling.BICUBIC)
        _paste(sheet, corner, image, RULE if right else WRONG)
        x, y = corner[0], corner[1] + size[1] + 5
        write_text(sheet, (x, y), " ".join(result.truth.split()), _LABEL_PX, FAINT, width - 48)
        y += _LABEL_PX + 5
        draw_marked(draw, (x, y), result.truth, result.prediction, _LABEL_PX, room_px=width - 48)
        confidence, font = f"{100 * result.confidence:.0f} %", load_label_font(_LABEL_PX - 2)
        draw.text((x + width, y), confidence, font=font, fill=FAINT if right else WRONG, anchor="ra")

    return _draw_grid(groups, (width, size[1] + 2 * _LABEL_PX + 26), columns, draw_cell)


def encode_png(image: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    encoded = io.BytesIO()
    image.save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


def draw_marked(
    draw: ImageDraw.ImageDraw,
    corner: Corner,
    truth: str,
    prediction: str,
    size_px: int,
    *,
    fill: str = INK,
    room_px: int | None = None,
) -> None:
    """Writes a prediction: wrong characters in red, a red dash where one was missed, dots where the room ends."""
    font = load_label_font(size_px)
    x, y = float(corner[0]), corner[1]
    for expected, got in align(truth, prediction):
        if room_px is not None and x > corner[0] + room_px:
            draw.text((x, y), "...", font=font, fill=FAINT)
            return
        if got:
            shown = printable(got, font)
            draw.text((x, y), shown, font=font, fill=fill if expected == got else WRONG)
            x += draw.textlength(shown, font=font)
        else:
            dash = max(7, size_px // 3)
            draw.rectangle((x + 2, y + size_px, x + 2 + dash, y + size_px + size_px // 10), fill=WRONG)
            x += dash + 4


def write_text(sheet: Image.Image, corner: Corner, text: str, size_px: int, fill: str, room_px: int) -> None:
    """Writes as much of a text as there is room for."""
    draw, font = ImageDraw.Draw(sheet), load_label_font(size_px)
    shortened = text = printable(text, font)
    while text and draw.textlength(shortened, font) > room_px:
        text = text[:-1]
        shortened = text + "..."
    draw.text(corner, shortened, fill=fill, font=font)


def _draw_grid(
    groups: Sequence[tuple[str, Sequence[Any]]],
    cell_px: tuple[int, int],
    columns: int,
    draw_cell: Callable[[Image.Image, Corner, Any], None],
) -> Image.Image:
    """Titled groups of cells in rows."""
    step_x, step_y = cell_px[0] + _MARGIN_PX, cell_px[1]
    heights = [_HEADING_PX + -(-len(items) // columns) * step_y for _, items in groups]
    sheet = Image.new("RGB", (2 * _MARGIN_PX + columns * step_x, 2 * _MARGIN_PX + sum(heights)), BACKGROUND)
    top = _MARGIN_PX
    for (title, items), height in zip(groups, heights, strict=True):
        ImageDraw.Draw(sheet).text((_MARGIN_PX, top), title, fill=INK, font=load_label_font(20))
        for index, item in enumerate(items):
            row, column = divmod(index, columns)
            draw_cell(sheet, (_MARGIN_PX + column * step_x, top + _HEADING_PX + row * step_y), item)
        top += height
    return sheet


def _paste(sheet: Image.Image, corner: Corner, image: Image.Image, outline: str) -> None:
    x, y = corner
    sheet.paste(image, corner)
    ImageDraw.Draw(sheet).rectangle((x - 1, y - 1, x + image.width, y + image.height), outline=outline)


def _write_label(sheet: Image.Image, corner: Corner, sample: Sample, room_px: int) -> None:
    write_text(sheet, corner, sample.text, _TEXT_PX, INK, room_px)
    write_text(sheet, (corner[0], corner[1] + 24), sample.id, _ID_PX, FAINT, room_px)
