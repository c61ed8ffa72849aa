"""Tables as text."""

from hwr_jax.columns import align_columns


def test_columns_are_aligned_and_long_cells_go_on_below():
    rows = [("name", "n"), ("x" * 50, "1"), ("y", "100")]
    assert align_columns(rows, right=(1,), max_width=50).splitlines() == [
        "name" + " " * 40 + "n",
        "x" * 40 + "    1",
        "x" * 10,
        "y" + " " * 41 + "100",
    ]
    assert align_columns(rows, right=(1,), rule=True).splitlines()[1] == "-" * 50 + "  ---"
