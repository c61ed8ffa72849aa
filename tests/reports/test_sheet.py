"""Sheets of samples."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from hwr_jax.data.sample import Sample
from hwr_jax.evaluation.evaluate import SampleResult
from hwr_jax.reports.sheet import WRONG, draw_evaluation_sheet, draw_sample_sheet, draw_version_sheet, encode_png
from hwr_jax.text.distance import count_edits


def unnamed(width: int, height: int, grey: int) -> Sample:
    """Without text, whose edges hold every grey."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width), grey, np.uint8)).save(buffer, "PNG")
    return Sample("", "", "w", buffer.getvalue())


def count_colour(sheet: Image.Image, colour: tuple[int, int, int]) -> int:
    return int((np.asarray(sheet) == colour).all(axis=2).sum())


def test_images_stand_in_rows_of_four() -> None:
    sheet = draw_sample_sheet([unnamed(50, 40, 10 * number + 20) for number in range(6)], "")
    pixels = np.asarray(sheet)
    positions = [np.argwhere((pixels == 10 * number + 20).all(axis=2)).min(axis=0) for number in range(6)]
    assert len({int(y) for y, _ in positions[:4]}) == 1
    assert positions[4][0] > positions[0][0] + 40
    assert [int(x) for _, x in positions[4:]] == [int(x) for _, x in positions[:2]]
    assert sheet.height > positions[4][0] + 64


def test_wide_images_keep_their_shape_inside_their_cell() -> None:
    sheet = draw_sample_sheet([unnamed(900, 90, 77), unnamed(5, 5, 99), unnamed(5, 5, 98)], "")
    where = np.argwhere((np.asarray(sheet) == 77).all(axis=2))
    height, width = where.max(axis=0) - where.min(axis=0) + 1
    assert width == 296
    assert abs(height - 296 * 90 / 900) <= 1
    assert count_colour(sheet, (99, 99, 99)) == 25  # small ones are not enlarged


def test_a_line_has_the_width_of_four_words() -> None:
    sheet = draw_sample_sheet([unnamed(2400, 90, 77), unnamed(1800, 90, 99)], "")
    where = np.argwhere((np.asarray(sheet) == 77).all(axis=2))
    assert np.ptp(where[:, 1]) + 1 == 4 * 320 - 24
    assert np.argwhere((np.asarray(sheet) == 99).all(axis=2))[:, 0].min() > where[:, 0].max()  # below it


def test_a_bad_image_says_why_in_red(tmp_path: Path) -> None:
    good = draw_sample_sheet([unnamed(50, 40, 77)], "")
    bad = draw_sample_sheet([Sample("id0", "text 0", "w", tmp_path / "missing.png")], "")
    assert count_colour(bad, ImageColor.getrgb(WRONG)) > 0
    assert count_colour(good, ImageColor.getrgb(WRONG)) == 0


def test_long_texts_stay_in_their_cell() -> None:
    long = Sample("x" * 500, "W" * 500, "w", unnamed(50, 40, 77).image)
    sheet = np.asarray(draw_sample_sheet([long], "").convert("L"))
    assert sheet[60:, 24 + 300 :].min() == 255


def flat(*greys: int) -> list[np.ndarray]:
    return [np.full((32, 128), grey, np.uint8) for grey in greys]


def test_versions_stand_below_their_original_at_twice_the_size() -> None:
    samples = [unnamed(50, 40, 0)] * 6
    sheet = np.asarray(draw_version_sheet(samples, [flat(10 * n + 20, 10 * n + 21, 10 * n + 22) for n in range(6)], ""))
    corners = {}
    for number, position in [(number, position) for number in range(6) for position in range(3)]:
        where = np.argwhere((sheet == 10 * number + 20 + position).all(axis=2))
        assert len(where) == 4 * 32 * 128
        corners[number, position] = where.min(axis=0)
    for number in range(6):
        tops, lefts = zip(*(corners[number, position] for position in range(3)), strict=True)
        assert len(set(lefts)) == 1
        assert tops[0] + 64 + 4 < tops[1]
        assert tops[1] + 64 < tops[2]
    assert len({int(corners[number, 0][0]) for number in range(4)}) == 1
    assert corners[4, 0][0] > corners[0, 2][0] + 64


def test_wide_versions_stand_in_one_column_with_room_for_their_texts() -> None:
    wide = [np.full((64, 1000), 77, np.uint8)]
    long = Sample("id", "W" * 50, "w", b"")
    sheet = draw_version_sheet([long, long], [wide, wide], "")
    where = np.argwhere((np.asarray(sheet) == 77).all(axis=2))
    assert np.ptp(where[:, 1]) == 999
    assert len(where) == 2 * 64 * 1000
    assert sheet.width < 1100
    text = np.asarray(sheet.convert("L"))[-80:-40]
    assert np.argwhere(text < 100)[:, 1].max() > 500


def test_an_image_without_versions_says_why_in_red() -> None:
    good = unnamed(50, 40, 77)
    assert count_colour(draw_version_sheet([good, good], [flat(5), "not an image"], ""), ImageColor.getrgb(WRONG)) > 0
    assert count_colour(draw_version_sheet([good], ["not an image"], ""), ImageColor.getrgb(WRONG)) > 0
    assert count_colour(draw_version_sheet([good], [flat(5)], ""), ImageColor.getrgb(WRONG)) == 0


def test_the_sheet_shows_every_sample_asked_for():
    pairs = [("right", "right"), ("word", "a & b"), ("mom", "nom"), ("ü" * 60, ""), ("rn", "m")]
    results = [
        SampleResult("i", "w", truth, prediction, 0.5, count_edits(truth, prediction), (), 1.0, None)
        for truth, prediction in pairs
    ]
    images_NxHxW = np.random.default_rng(0).integers(0, 256, (len(results), 32, 128)).astype(np.uint8)
    heights = []
    for groups in ([("worst", [1, 3])], [("worst", [1, 3]), ("random", [0, 1, 2, 3, 4])]):
        with Image.open(io.BytesIO(encode_png(draw_evaluation_sheet(results, images_NxHxW, groups)))) as sheet:
            heights.append(sheet.height)
            pixels = np.asarray(sheet.convert("RGB")).astype(int)
        red = (pixels[..., 0] > 150) & (pixels[..., 1] < 60) & (pixels[..., 2] < 80)
        assert red.sum() > 100
    assert heights[1] > 2 * heights[0] - 100
