"""A sheet of samples as PNG: each frame, its transcription and what the model read, errors in red."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from hwr_jax.data.stored_images import Images
from hwr_jax.evaluation.evaluate import SampleResult
from hwr_jax.ink.label_font import load_label_font, printable
from hwr_jax.text.distance import align

INK, MUTED, WRONG, RULE, PAPER = "#1c2430", "#7a8594", "#c8102e", "#dfe3e8", "#ffffff"
MOST_COLUMNS = 4
MARGIN_PX, GAP_PX, CELL_PX, TEXT_PX = 24, 20, 256, 15
# Images of words are four times as wide as high; cells grow with those that are longer.
WORD_ASPECT = 4
HEADING_PX = 44


def draw_sheet(
    results: Sequence[SampleResult], images_NxHxW: Images, groups: Sequence[tuple[str, Sequence[int]]]
) -> bytes:
    """Draws samples in titled groups.

    Args:
      results: of an evaluation.
      images_NxHxW: uint8, the frame of each result.
      groups: (title, indices of results).

    Returns:
      An encoded PNG.
    """
    inner = MOST_COLUMNS * CELL_PX + (MOST_COLUMNS - 1) * GAP_PX
    aspect = images_NxHxW.shape[2] / images_NxHxW.shape[1]
    columns = min(MOST_COLUMNS, max(1, round(MOST_COLUMNS * WORD_ASPECT / aspect)))
    cell_width = (inner + GAP_PX) // columns - GAP_PX
    image_height = round(cell_width / aspect)
    cell_height = image_height + 2 * (TEXT_PX + 6) + 14
    rows = [-(-len(indices) // columns) for _, indices in groups]
    width = 2 * MARGIN_PX + inner
    height = 2 * MARGIN_PX + sum(HEADING_PX + count * cell_height for count in rows)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = MARGIN_PX
    for (title, indices), count in zip(groups, rows, strict=True):
        draw.text((MARGIN_PX, top), title, font=load_label_font(20), fill=INK)
        top += HEADING_PX
        for position, index in enumerate(indices):
            left = MARGIN_PX + position % columns * (cell_width + GAP_PX)
            cell_top = top + position // columns * cell_height
            _draw_cell(sheet, (left, cell_top), (cell_width, image_height), results[index], images_NxHxW[index])
        top += count * cell_height
    encoded = io.BytesIO()
    sheet.save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


def _draw_cell(
    sheet: Image.Image, corner: tuple[int, int], size: tuple[int, int], result: SampleResult, image_HxW: np.ndarray
) -> None:
    draw = ImageDraw.Draw(sheet)
    left, top = corner
    cell_width, image_height = size
    image = Image.fromarray(image_HxW).resize(size, Image.Resampling.BICUBIC)
    sheet.paste(image, corner)
    right = not result.edits.character_edits
    outline = RULE if right else WRONG
    draw.rectangle((left - 1, top - 1, left + cell_width, top + image_height), outline=outline)
    line = top + image_height + 5
    room = cell_width - 48
    draw.text((left, line), _shorten(draw, result.truth, room), font=load_label_font(TEXT_PX), fill=MUTED)
    _draw_reading(draw, (left, line + TEXT_PX + 5), result, room)
    percent = f"{100 * result.confidence:.0f} %"
    draw.text(
        (left + cell_width, line + TEXT_PX + 5),
        percent,
        font=load_label_font(TEXT_PX - 2),
        fill=MUTED if right else WRONG,
        anchor="ra",
    )


def _draw_reading(draw: ImageDraw.ImageDraw, corner: tuple[int, int], result: SampleResult, room: int) -> None:
    left, top = corner
    font = load_label_font(TEXT_PX)
    end = left + room
    x: float = left
    for expected, got in align(result.truth, result.prediction):
        if x > end:
            draw.text((x, top), "...", font=font, fill=MUTED)
            return
        if not got:  # a dash below the line where a character was missed
            draw.rectangle((x + 1, top + TEXT_PX, x + 8, top + TEXT_PX + 2), fill=WRONG)
            x += 10
            continue
        shown = printable(got, font)
        draw.text((x, top), shown, font=font, fill=INK if expected == got else WRONG)
        x += draw.textlength(shown, font=font)


def _shorten(draw: ImageDraw.ImageDraw, text: str, room: int) -> str:
    font = load_label_font(TEXT_PX)
    text = printable(" ".join(text.split()), font)
    if draw.textlength(text, font=font) <= room:
        return text
    while text and draw.textlength(text + "...", font=font) > room:
        text = text[:-1]
    return text + "..."
