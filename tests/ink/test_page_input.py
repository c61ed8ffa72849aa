"""Pages as a line finder's network takes them."""

import numpy as np
import pytest

from hwr_jax.ink.page_input import SIDE_STEP_PX, fit_page, paper_level


@pytest.mark.parametrize(
    ("shape", "inner"),
    [((3500, 2500), (1280, 914)), ((100, 900), (142, 1280)), ((60, 40), (120, 80)), ((1, 5000), (1, 1280))],
)
def test_sizes(shape, inner):
    fitted = fit_page(np.full(shape, 200, np.uint8), 1280, 2.0, 64)
    assert (fitted.height_px, fitted.width_px) == inner
    assert all(side % SIDE_STEP_PX == 0 for side in fitted.page_HxW.shape)
    assert (fitted.page_HxW == 200).all()
    assert fitted.scale_2 == (shape[1] / inner[1], shape[0] / inner[0])
    assert fitted.shown_2 == pytest.approx(tuple(a / b for a, b in zip(inner, fitted.page_HxW.shape, strict=True)))


def test_points_keep_their_places():
    page_HxW = np.full((1000, 2000), 255, np.uint8)
    page_HxW[600:620, 1500:1520] = 0
    fitted = fit_page(page_HxW, 500, 2.0, 32)
    rows, columns = np.nonzero(fitted.page_HxW[: fitted.height_px, : fitted.width_px] < 128)
    scale_x, scale_y = fitted.scale_2
    assert ((columns.mean() + 0.5) * scale_x, (rows.mean() + 0.5) * scale_y) == pytest.approx((1510, 610), abs=1)


def test_paper_is_what_most_of_a_page_is():
    page_HxW = np.full((500, 500), 180, np.uint8)
    page_HxW[:150] = 20
    assert paper_level(page_HxW) == 180
