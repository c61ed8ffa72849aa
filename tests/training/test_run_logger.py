"""metrics.jsonl over resumes, and the progress line."""

import io
import json
from pathlib import Path

import pytest

from hwr_jax.progress import set_quiet
from hwr_jax.training.run_logger import MetricsFile, Plateau, Progress, format_duration


def write_steps(workdir: Path, resume_step: int, steps: range) -> None:
    metrics = MetricsFile(workdir, resume_step)
    for step in steps:
        metrics.write(step, {"train/loss": 1 / step})
    metrics.sync()
    metrics.close()


def steps_in(workdir: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_lines_are_objects_with_step_and_values(tmp_path):
    write_steps(tmp_path, 0, range(1, 4))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"step": step, "train/loss": 1 / step} for step in (1, 2, 3)]


def test_lines_after_the_resumed_step_go_and_none_repeats(tmp_path):
    write_steps(tmp_path, 0, range(1, 11))
    straight = (tmp_path / "metrics.jsonl").read_bytes()
    metrics = MetricsFile(tmp_path, 6)
    metrics.close()
    assert steps_in(tmp_path) == [1, 2, 3, 4, 5, 6]
    write_steps(tmp_path, 6, range(7, 11))
    assert (tmp_path / "metrics.jsonl").read_bytes() == straight


@pytest.mark.parametrize("torn", ['{"step": 4, "train/lo', '{"step": 4', "{", "\0\0\0\0", '{"step": 4}\n{"st', "\n\n{"])
def test_a_torn_last_line_goes(tmp_path, torn):
    write_steps(tmp_path, 0, range(1, 4))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(torn)
    write_steps(tmp_path, 3, range(4, 6))
    assert steps_in(tmp_path) == [1, 2, 3, 4, 5]


def test_a_start_from_nothing_keeps_nothing(tmp_path):
    write_steps(tmp_path, 0, range(1, 4))
    metrics = MetricsFile(tmp_path, 0)
    metrics.close()
    assert steps_in(tmp_path) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200.0, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (3900.0, "1 h 05 min"),
        (360_000.0, "100 h 00 min"),
    ],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


TRAINED = {"train/loss": 12.34567, "train/samples_per_second": 1234.5}
VALIDATED = {**TRAINED, "validation/cer": 0.19051, "validation/wer": 0.5}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show_two(stream: io.StringIO) -> str:
    progress = Progress(100, stream)
    progress.show(5, TRAINED, 95.0)
    progress.show(10, VALIDATED, 90.0)
    progress.end()
    return stream.getvalue()


def test_a_log_file_gets_a_line_a_report():
    assert show_two(io.StringIO()).splitlines() == [
        "step 5/100   loss 12.346   1234 samples/s   1 min 35 s left",
        "step 10/100   loss 12.346   1234 samples/s   1 min 30 s left   validation CER 19.05% WER 50.00%",
    ]


def test_a_terminal_gets_one_line_rewritten_and_validations_stay():
    start, first, second = show_two(Terminal()).split("\r\x1b[K")
    assert start == ""
    assert first == "step 5/100   loss 12.346   1234 samples/s   1 min 35 s left"
    line, *rest = second.split("\n")
    assert line.endswith("validation CER 19.05% WER 50.00%")
    assert rest == [""]


def test_a_line_that_is_being_rewritten_is_left_at_the_end():
    stream = Terminal()
    progress = Progress(100, stream)
    progress.show(5, TRAINED, 95.0)
    progress.end()
    assert stream.getvalue().endswith("left\n")


def test_quiet_shows_nothing():
    set_quiet(True)
    try:
        assert show_two(io.StringIO()) == show_two(Terminal()) == ""
    finally:
        set_quiet(False)


def test_a_notebook_gets_one_line_rewritten_without_escapes():
    """Its stream is ipykernel's, and no terminal; a shorter line covers the one before."""
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    progress = Progress(100, stream)
    progress.show(5, TRAINED, 95.0)
    progress.say("saved")
    progress.show(10, VALIDATED, 90.0)
    first, said, last = stream.getvalue().split("\r")[1:]
    assert first.startswith("step 5/100")
    assert said == "saved".ljust(len(first)) + "\n"
    assert last.endswith("WER 50.00%\n")


def test_a_plateau_counts_the_validations_since_the_lowest():
    plateau = Plateau()
    counts = []
    for cer in (0.5, 0.4, 0.4, 0.45, 0.3, float("nan")):
        plateau.add(cer)
        counts.append(plateau.validations)
    assert counts == [0, 0, 1, 2, 0, 1]
    assert plateau.lowest == 0.3


def test_a_resumed_plateau_counts_the_lines_that_are_kept(tmp_path):
    lines = [{"step": step, "validation/cer": cer} for step, cer in ((1, 0.5), (2, 0.6), (3, 0.7))]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"step": 4}]))
    metrics = MetricsFile(tmp_path, 2)
    metrics.close()
    assert metrics.plateau == Plateau(0.5, 1)
