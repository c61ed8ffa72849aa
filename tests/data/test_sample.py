"""Counts of what was left out."""

from hwr_jax.data.sample import describe_skips, merge_reasons


def test_reasons_that_differ_in_brackets_count_together() -> None:
    counts = {"no ink": 5, "no such file (a.png)": 2, "no such file (b.png)": 3, "no such file (c.png)": 1}
    assert merge_reasons(counts) == {"no such file (b.png; and 2 more)": 6, "no ink": 5}
    assert list(merge_reasons(counts)) == ["no such file (b.png; and 2 more)", "no ink"]
    assert describe_skips({"a (b)": 1000, "c": 1}) == "1,000 x a (b), 1 x c"
    assert describe_skips({}) == "nothing in it"
