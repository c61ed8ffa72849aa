"""Pages with their lines drawn on them."""

import io

import numpy as np
import pytest
from PIL import Image

from hwr_jax.layout.page_layout import PageLayout, Region, TextLine
from hwr_jax.reports.layout_overlay import draw_layout


@pytest.mark.parametrize("size", [(300, 400), (3000, 4000), (1, 30_000), (40, 40)])
def test_what_is_drawn_lies_where_the_lines_are(size):
    height, width = size
    box_Nx2 = np.array([(0.1, 0.5), (0.9, 0.5), (0.9, 0.6), (0.1, 0.6)]) * (width, height)
    layout = PageLayout(width, height, (TextLine(box_Nx2, box_Nx2[2:][::-1]),), (Region(box_Nx2),))
    drawn = Image.open(io.BytesIO(draw_layout(np.full(size, 230, np.uint8), layout)))
    assert drawn.format == "JPEG"
    assert max(drawn.size) <= 2000
    colour_HxWx3 = np.asarray(drawn).astype(int)
    coloured_HxW = np.ptp(colour_HxWx3, axis=2) > 15
    assert coloured_HxW.any()
    if min(size) >= 300:
        rows, _ = np.nonzero(coloured_HxW)
        assert 0.4 < rows.mean() / drawn.size[1] < 0.7
        assert not coloured_HxW[: drawn.size[1] // 3].any()
