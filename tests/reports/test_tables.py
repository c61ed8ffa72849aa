"""Tables as Markdown, and numbers as people write them."""

import pytest

from hwr_jax.reports.tables import character, code, markdown_table, show_bytes, show_number, show_rate, show_value


def test_pieces_of_markdown():
    assert markdown_table([("a", "b"), ("1", "2")], right=(1,)) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"
    assert [code("a"), code("a|b"), code("`")] == ["`a`", "`a\\|b`", "`` ` ``"]
    assert [character(""), character(" "), character("é")] == ["nothing", "space", "`é`"]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (show_rate(0.15843, (0.1, 0.2)), "15.84 % (10.00 - 20.00)"),
        (show_rate(None), "-"),
        (show_bytes(812_000_000), "812 MB"),
        (show_bytes(12_345), "12 kB"),
        (show_bytes(None), "-"),
        (show_number(424_081), "424,081"),
        (show_number(None), "-"),
        (show_value([3e-4, "a"]), "(0.0003, a)"),
    ],
)
def test_how_numbers_are_shown(shown, expected):
    assert shown == expected
