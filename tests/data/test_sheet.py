"""Sheets of samples."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from hwr_jax.data.sample import Sample
from hwr_jax.data.sheet import draw_sheet


def unnamed(width: int, height: int, grey: int) -> Sample:
    """Without text, whose edges hold every grey."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width), grey, np.uint8)).save(buffer, "PNG")
    return Sample("", "", "w", buffer.getvalue())


def count_colour(sheet: Image.Image, colour: tuple[int, int, int]) -> int:
    return int((np.asarray(sheet) == colour).all(axis=2).sum())


def test_images_stand_in_rows_of_four() -> None:
    sheet = draw_sheet([unnamed(50, 40, 10 * number + 20) for number in range(6)], "")
    pixels = np.asarray(sheet)
    places = [np.argwhere((pixels == 10 * number + 20).all(axis=2)).min(axis=0) for number in range(6)]
    assert len({int(y) for y, _ in places[:4]}) == 1
    assert places[4][0] > places[0][0] + 40
    assert [int(x) for _, x in places[4:]] == [int(x) for _, x in places[:2]]
    assert sheet.height > places[4][0] + 64


def test_wide_images_keep_their_shape_inside_their_cell() -> None:
    sheet = draw_sheet([unnamed(900, 90, 77), unnamed(5, 5, 99)], "")
    where = np.argwhere((np.asarray(sheet) == 77).all(axis=2))
    height, width = where.max(axis=0) - where.min(axis=0) + 1
    assert width == 296
    assert abs(height - 296 * 90 / 900) <= 1
    assert count_colour(sheet, (99, 99, 99)) == 25  # small ones are not enlarged


def test_a_bad_image_says_why_in_red(tmp_path: Path) -> None:
    good = draw_sheet([unnamed(50, 40, 77)], "")
    bad = draw_sheet([Sample("id0", "text 0", "w", tmp_path / "missing.png")], "")
    assert count_colour(bad, (176, 0, 32)) > 0
    assert count_colour(good, (176, 0, 32)) == 0


def test_long_texts_stay_in_their_cell() -> None:
    long = Sample("x" * 500, "W" * 500, "w", unnamed(50, 40, 77).image)
    sheet = np.asarray(draw_sheet([long], "").convert("L"))
    assert sheet[60:, 24 + 300 :].min() == 255
