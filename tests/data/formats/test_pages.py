"""What ALTO and PAGE files share."""

import pytest

from hwr_jax.data.formats.pages import parse_points


@pytest.mark.parametrize("points", [None, "", "1", "1 2 3", "1,a", "1e,2", "inf,2", "nan nan", "1 2\u0663 4"])
def test_points_that_cannot_be_read(points: str | None) -> None:
    assert parse_points(points) is None


def test_points_with_and_without_commas() -> None:
    for points in ("1,2 3.5,-4", " 1 2\n3.5 -4 ", "1, 2, 3.5, -4"):
        assert parse_points(points).tolist() == [[1, 2], [3.5, -4]]
