"""Images on pages."""

import numpy as np

from hwr_jax.reports.page import render, trim_columns


def line(left: int, right: int, width: int = 1536) -> np.ndarray:
    image_HxW = np.full((32, width), 255, np.uint8)
    image_HxW[10:20, left:right] = 0
    return image_HxW


def test_padding_of_lines_is_cut_off() -> None:
    """Else the ink of a short line is a few pixels high on the page."""
    assert trim_columns(line(4, 700)).shape == (32, 708)
    assert trim_columns(line(700, 1500)).shape == (32, 816)
    assert trim_columns(line(4, 50)).shape == (32, 128)
    assert trim_columns(line(1500, 1536)).shape == (32, 128)
    words = line(4, 50, width=128)
    assert trim_columns(words) is words
    blank = np.full((32, 1536), 255, np.uint8)
    assert trim_columns(blank) is blank


def test_a_line_has_a_row_of_its_own(tmp_path) -> None:
    (tmp_path / "x.html").write_text(
        '{% from "macros.html" import sample %}'
        '{% for image in images %}{% call sample("t", "x", image) %}{% endcall %}{% endfor %}'
    )
    page = render("x.html", tmp_path, images=[line(4, 700), line(4, 50), line(4, 50, width=128)])
    assert page.count('<figure class="long"') == 1
    assert page.count("<figure") == 3
