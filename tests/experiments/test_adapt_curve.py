import dataclasses
import json

import pytest

import hwr_jax
from experiments import adapt_curve
from experiments.adapt_curve import Point, describe_rows, divide, load_rows, main, plan_points
from hwr_jax.data.sample import Sample


def samples(*writers: str) -> list[Sample]:
    return [Sample(f"{number}", "text", writer, b"") for number, writer in enumerate(writers)]


def test_points_of_the_first_seed_come_first():
    points = plan_points(["a", "b"], [5, 20], 2)
    assert points[:2] == [Point("a", 0, 0), Point("b", 0, 0)]
    assert [point.seed for point in points[2:]] == [0] * 4 + [1] * 4
    assert len({point.key for point in points}) == len(points) == 10


def test_lines_of_one_writer_are_divided_and_writers_of_several_are_not():
    test, pool = divide(samples(*"aaaa"), 1)
    assert (len(test), len(pool)) == (1, 3)
    test, pool = divide(samples(*"abcabcabc"), 4)
    assert len(test) == 4
    assert not {one.writer for one in test} & {one.writer for one in pool}


def test_a_row_that_is_there_is_not_made_again_and_a_torn_one_is(tmp_path, monkeypatch, capsys):
    made = []

    def measure(point, options):
        made.append(point.key)
        return {**dataclasses.asdict(point), "cer": 0.5, "outcome": "adapted", "minutes": 1.0, "cpu_minutes": 0.5}

    monkeypatch.setattr(adapt_curve, "measure_point", measure)
    command = ["--model=m", "--sources=a", "--lines=5", "--seeds=2", f"--output={tmp_path}"]
    assert main(command) == 0
    assert made == ["a-0-0", "a-5-0", "a-5-1"]
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:2]) + '{"key": "a-5')
    assert main(command) == 0
    assert made[3:] == ["a-5-1"]
    assert "| a | 5 | 50.00 % | 50.00 %, 50.00 % | 1.0 (0.5) | - |" in capsys.readouterr().out


def test_the_table_marks_what_was_kept():
    row = {"source": "a", "lines": 5, "seed": 0, "cer": 0.25, "outcome": "kept", "minutes": 2.0, "cpu_minutes": 1.0}
    assert "| 25.00 % kept | 2.0 (1.0) | 10.00 % |" in describe_rows([{**row, "forgotten": 0.1}])


@pytest.fixture
def adapt_nothing(monkeypatch):
    """Adapting gives the model itself: what is tested is what is around it."""
    calls = []

    def adapt(model, name, workdir, **options):
        calls.append(name)
        from hwr_jax.export import export_folder

        export_folder(model, workdir)
        return hwr_jax.Adaptation("done", workdir, "", "kept", 3)

    monkeypatch.setattr(hwr_jax, "adapt", adapt, raising=False)
    return calls


def test_a_point_is_measured_on_lines_that_were_not_given(tmp_path, monkeypatch, adapt_nothing):
    from hwr_jax.data.formats.synthetic import SyntheticParams
    from hwr_jax.data.prepared import load_prepared, prepare
    from hwr_jax.data.splits import SPLITS

    monkeypatch.setenv("HWR_JAX_DATA_DIR", str(tmp_path / "data"))
    source = prepare(SyntheticParams(6, 4, 0).data_name, None).name
    output = tmp_path / "curve"
    assert (
        main(
            [
                "--model=unipen_words_seed",
                f"--sources={source}",
                "--lines=5",
                "--seeds=1",
                "--test=4",
                f"--output={output}",
            ]
        )
        == 0
    )
    before, after = load_rows(output).values()
    assert (before["lines"], after["lines"], after["outcome"], after["step"]) == (0, 5, "kept", 3)
    assert before["cer"] == after["cer"]
    given, read = (
        {sample.image for split in SPLITS for sample in load_prepared(name, split, output / "data")}
        for name in (adapt_nothing[0], adapt_nothing[0].replace("-5-0", "-0-0"))
    )
    assert (len(given), len(read)) == (5, 4)
    assert not given & read
    assert json.loads((output / "rows.jsonl").read_text().splitlines()[0])["key"].endswith("-0-0")
