"""Rates of found lines over pages."""

import pytest

from hwr_jax.evaluation.layout_rates import ALL, ScoredPage, layout_rows, summarize_layout
from hwr_jax.layout.metrics import PageScore
from hwr_jax.text.bootstrap import bootstrap_interval

PAGES = [
    ScoredPage("a/1", "a", PageScore(10, 12, 1, 9, 9.5, 9.0), 0.5),
    ScoredPage("a/2", "a", PageScore(30, 20, 0, 20, 21.0, 19.0), 1.5),
    ScoredPage("b/1", "b", PageScore(4, 0, 2, 0, 0.0, 0.0), 1.0),
]


def test_rates_are_ratios_of_sums():
    rates = summarize_layout(PAGES)["rates"]
    assert list(rates) == ["a", "b", ALL]
    assert rates[ALL]["precision"] == pytest.approx(29 / 32)
    assert rates[ALL]["recall"] == pytest.approx(29 / 44)
    assert rates[ALL]["f1"] == pytest.approx(2 * (29 / 32) * (29 / 44) / (29 / 32 + 29 / 44))
    assert rates[ALL]["baseline_precision"] == pytest.approx(28 / 32)
    assert rates[ALL]["baseline_recall"] == pytest.approx(30.5 / 44)
    assert rates[ALL]["f1_interval"] == bootstrap_interval([18, 40, 0], [22, 50, 4], ["a/1", "a/2", "b/1"])
    assert (rates[ALL]["ignored"], rates["a"]["ignored"]) == (3, 1)
    assert rates[ALL]["seconds_per_page"] == 1


def test_nothing_found_has_no_precision():
    rates = summarize_layout(PAGES)["rates"]["b"]
    assert rates["precision"] is None
    assert rates["baseline_f1"] is None
    assert (rates["recall"], rates["f1"]) == (0, 0)
    row = layout_rows(summarize_layout(PAGES))[2]
    assert row[:6] == ["b", "1", "4", "0", "-", "0.0"]


def test_one_folder_is_not_named_twice():
    summary = summarize_layout(PAGES[:2])
    assert list(summary["rates"]) == [ALL]
    assert len({len(row) for row in layout_rows(summary)}) == 1
    assert summary["pages"]["a/1"]["matched"] == 9
