"""A sweep's numbers: means and spreads over seeds, order, and a page that holds together."""

import json
import re
import statistics
from pathlib import Path

import pytest

from experiments.sweeps.record import Record, write_record
from experiments.sweeps.results import (
    Measured,
    Results,
    Setting,
    collect_results,
    describe_results,
    explained_share,
    write_page,
)
from experiments.sweeps.runs import expand
from experiments.sweeps.state import RunState
from hwr_jax.training.workdir import write_status

# (learning rate, dropout) -> CER of each seed; the setting without any has not been measured.
RATES = {
    (1e-3, 0.0): [0.30, 0.34],
    (1e-3, 0.2): [0.20],
    (3e-3, 0.0): [0.25, 0.15],
    (3e-3, 0.2): [],
}
POINTS = """product(
    {"optimizer.learning_rate": [1e-3, 3e-3]},
    zipped({"model.dropout": [0.0, 0.2], "model.lstm_dropout": [0.0, 0.2]}),
    {"seed": [0, 1]},
)"""
RATE, DROPOUT = "optimizer.learning_rate", "model.dropout = model.lstm_dropout"


def write_run(folder: Path, cer: float, *, split: str = "test") -> None:
    """What a run that is done leaves, as far as results read it."""
    evaluation = {"cer": cer, "wer": 2 * cer, "cer_interval": [cer - 0.02, cer + 0.04], "wer_interval": None}
    (folder / "evaluation").mkdir(parents=True)
    (folder / "evaluation" / f"{split}.json").write_text(json.dumps(evaluation))
    lines = [
        {"step": 5, "validation/cer": cer / 2, "train/seconds": 60.0},
        {"step": 10, "validation/cer": cer, "train/seconds": 150.0},
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "report.html").write_text("a report")
    write_status(folder, "done", step=10)


@pytest.fixture
def sweep(write_sweep, tmp_path) -> tuple[Path, Record]:
    """A sweep's folder with the runs of RATES, one that failed and one that never started."""
    path = write_sweep(POINTS)
    runs = expand(path)
    record = write_record(tmp_path / "sweep", path, [], runs)
    for run in runs:
        rates = RATES[run.config["optimizer"]["learning_rate"], run.config["model"]["dropout"]]
        if run.config["seed"] < len(rates):
            write_run(tmp_path / "sweep" / run.name, rates[run.config["seed"]])
    failed = next(run for run in runs if run.point["model.dropout"] == 0.2 and run.point["seed"] == 1)
    write_status(tmp_path / "sweep" / failed.name, "failed", step=3, message="no space <left> & more")
    return tmp_path / "sweep", record


def test_settings_come_best_first_with_mean_and_spread_over_their_seeds(sweep):
    results = collect_results(*sweep)
    assert results.varying == (RATE, DROPOUT)
    means = [setting.mean("cer") for setting in results.settings]
    assert means == pytest.approx([0.20, 0.20, 0.32, None])
    for setting in results.settings:
        rates = RATES[setting.values[RATE], setting.values[DROPOUT]]
        assert [run.numbers["cer"] for run in setting.measured] == rates
        assert [run.seed for run in setting.runs] == [0, 1]
        if len(rates) > 1:
            assert setting.spread("cer") == pytest.approx(statistics.stdev(rates))
            assert setting.mean("wer") == pytest.approx(2 * statistics.fmean(rates))
        else:
            assert setting.spread("cer") is None
        if rates:
            mean = statistics.fmean(rates)
            assert setting.interval("cer") == pytest.approx((mean - 0.02, mean + 0.04))
            assert setting.mean("validation_cer") == pytest.approx(mean / 2)
            assert setting.mean("minutes") == 2.5
        assert setting.interval("wer") is None


def test_the_table_says_what_is_measured_and_what_is_not(sweep):
    head, *rows = describe_results(collect_results(*sweep)).splitlines()
    assert all(name in head for name in (RATE, DROPOUT, "CER", "WER", "validation", "minutes"))
    assert len(rows) == len(RATES)
    assert "32.00 ± 2.83 %" in rows[2]
    assert "30.00 - 36.00" in rows[2]
    assert "1 of 2" in "".join(rows[:2])
    assert "0 of 2" in rows[3]
    assert len({len(row.rstrip()) for row in rows}) == 1


def test_another_split_is_read_where_it_was_evaluated(sweep):
    folder, record = sweep
    assert [setting.mean("cer") for setting in collect_results(folder, record, "validation").settings] == [None] * 4


def test_a_damaged_evaluation_is_no_number(sweep):
    folder, record = sweep
    best = collect_results(folder, record).settings[0].runs[0]
    (folder / best.name / "evaluation" / "test.json").write_text('{"cer": 0.1')
    assert best.name not in {run.name for run in collect_results(folder, record).runs if "cer" in run.numbers}


def test_the_page_is_whole_and_needs_nothing_else(sweep, parse_page):
    page = write_page(*sweep, collect_results(*sweep)).read_text()
    tags = parse_page(page).tags
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", page)
    assert "no space &lt;left&gt; &amp; more" in page
    measured = sum(map(len, RATES.values()))
    assert sum(tag == "circle" for tag, _ in tags) == 2 * measured
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    # In the row of its setting, and in that of the run.
    assert len(links) == 2 * measured
    assert all((sweep[0] / link).is_file() and not link.startswith("/") for link in links)
    # A line for each value of the other field, two of each; and one for each measured setting.
    assert sum(tag == "polyline" for tag, _ in tags) == 4 + sum(map(bool, RATES.values()))


def test_a_run_without_a_report_has_a_link_to_its_output(sweep):
    folder, record = sweep
    failed = next(run for run in collect_results(folder, record).runs if run.state.status == "failed")
    assert failed.page == ""
    (folder / failed.name / "output.log").write_text("no space left")
    page = write_page(folder, record, collect_results(folder, record)).read_text()
    assert f'href="{failed.name}/output.log"' in page


def results_of(values: dict[str, list], cers: list[float]) -> Results:
    """Settings of one measured run each."""
    settings = [
        Setting(dict(zip(values, row, strict=True)), (Measured(str(i), 0, RunState("done"), {"cer": cer}, {}),))
        for i, (row, cer) in enumerate(zip(zip(*values.values(), strict=True), cers, strict=True))
    ]
    return Results(tuple(values), tuple(settings), "test")


def test_what_a_field_explains_by_itself():
    chance = [0.01 * ((7 * index) % 5) for index in range(40)]
    rates = [0.001 * 10 ** (index / 20) for index in range(40)]
    named = ["adam" if index % 2 else "muon" for index in range(40)]
    results = results_of({"rate": rates, "name": named}, [0.2 + 0.1 * (index // 10) for index in range(40)])
    # Forty numbers in four groups of neighbours, within which the CER is the same.
    assert explained_share(results, "rate") == pytest.approx(1)
    assert explained_share(results, "name") == pytest.approx(0, abs=0.01)
    of_both = results_of({"name": named}, [0.2 * (index % 2) + chance[index] for index in range(40)])
    assert 0.9 < explained_share(of_both, "name") < 1


def test_nothing_is_said_of_few_runs_or_of_equal_ones():
    assert explained_share(results_of({"a": [1, 1, 2, 2]}, [0.1, 0.2, 0.3, 0.4]), "a") is None
    assert explained_share(results_of({"a": [1, 2] * 5}, [0.5] * 10), "a") is None


def test_a_sweep_of_seeds_alone_has_one_row_and_no_plots(write_sweep, tmp_path):
    path = write_sweep('product({"seed": range(3)})')
    record = write_record(tmp_path / "sweep", path, [], expand(path))
    results = collect_results(tmp_path / "sweep", record)
    assert results.varying == ()
    assert [len(setting.runs) for setting in results.settings] == [3]
    assert "<svg" not in write_page(tmp_path / "sweep", record, results).read_text()
    assert "0 of 3" in describe_results(results)


def test_the_page_fits_a_telephone(sweep, check_on_phone):
    page = write_page(*sweep, collect_results(*sweep)).read_text()
    assert "each dot is a run" in page
    check_on_phone(page)
