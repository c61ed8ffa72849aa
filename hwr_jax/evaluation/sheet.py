"""A sheet of samples as PNG: each frame, its transcription and what the model read, errors in red."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hwr_jax.evaluation.evaluate import SampleResult
from hwr_jax.text.alignment import align

INK, MUTED, WRONG, RULE, PAPER = "#1c2430", "#7a8594", "#c8102e", "#dfe3e8", "#ffffff"
COLUMNS = 4
MARGIN_PX, GAP_PX, CELL_PX, TEXT_PX = 24, 20, 256, 15
HEADING_PX = 44


def draw_sheet(
    results: Sequence[SampleResult], frames_NxHxW: np.ndarray, groups: Sequence[tuple[str, Sequence[int]]]
) -> bytes:
    """Draws samples in titled groups.

    Args:
      results: of an evaluation.
      frames_NxHxW: uint8, the frame of each result.
      groups: (title, indices of results).

    Returns:
      An encoded PNG.
    """
    frame_height = round(CELL_PX * frames_NxHxW.shape[1] / frames_NxHxW.shape[2])
    cell_height = frame_height + 2 * (TEXT_PX + 6) + 14
    rows = [-(-len(indices) // COLUMNS) for _, indices in groups]
    width = 2 * MARGIN_PX + COLUMNS * CELL_PX + (COLUMNS - 1) * GAP_PX
    height = 2 * MARGIN_PX + sum(HEADING_PX + count * cell_height for count in rows)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = MARGIN_PX
    for (title, indices), count in zip(groups, rows, strict=True):
        draw.text((MARGIN_PX, top), title, font=_font(20), fill=INK)
        top += HEADING_PX
        for position, index in enumerate(indices):
            left = MARGIN_PX + position % COLUMNS * (CELL_PX + GAP_PX)
            cell_top = top + position // COLUMNS * cell_height
            _draw_cell(sheet, (left, cell_top), frame_height, results[index], frames_NxHxW[index])
        top += count * cell_height
    encoded = io.BytesIO()
    sheet.save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


def _draw_cell(
    sheet: Image.Image, corner: tuple[int, int], frame_height: int, result: SampleResult, frame_HxW: np.ndarray
) -> None:
    draw = ImageDraw.Draw(sheet)
    left, top = corner
    image = Image.fromarray(frame_HxW).resize((CELL_PX, frame_height), Image.Resampling.BICUBIC)
    sheet.paste(image, corner)
    right = not result.edits.character_edits
    outline = RULE if right else WRONG
    draw.rectangle((left - 1, top - 1, left + CELL_PX, top + frame_height), outline=outline)
    line = top + frame_height + 5
    room = CELL_PX - 48
    draw.text((left, line), _shorten(draw, result.truth, room), font=_font(TEXT_PX), fill=MUTED)
    _draw_reading(draw, (left, line + TEXT_PX + 5), result, room)
    percent = f"{100 * result.confidence:.0f} %"
    draw.text(
        (left + CELL_PX, line + TEXT_PX + 5),
        percent,
        font=_font(TEXT_PX - 2),
        fill=MUTED if right else WRONG,
        anchor="ra",
    )


def _draw_reading(draw: ImageDraw.ImageDraw, corner: tuple[int, int], result: SampleResult, room: int) -> None:
    left, top = corner
    font = _font(TEXT_PX)
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
        draw.text((x, top), got, font=font, fill=INK if expected == got else WRONG)
        x += draw.textlength(got, font=font)


def _shorten(draw: ImageDraw.ImageDraw, text: str, room: int) -> str:
    text = " ".join(text.split())
    if draw.textlength(text, font=_font(TEXT_PX)) <= room:
        return text
    while text and draw.textlength(text + "...", font=_font(TEXT_PX)) > room:
        text = text[:-1]
    return text + "..."


def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)
