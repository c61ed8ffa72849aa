"""Prepared data: made once, safely, and found again."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data import builder, prepared
from hwr_jax.data.formats.iam import parse_iam_words
from hwr_jax.data.formats.synthetic import SyntheticParams, parse_synthetic
from hwr_jax.data.prepared import default_data_dir, find_prepared, load_prepared, prepare
from hwr_jax.data.sample import Sample
from hwr_jax.data.splits import SPLITS
from hwr_jax.errors import InputError

LIMIT_FILES = """import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
"""
# A shell in the background makes its children ignore SIGINT: the handler is set so that Ctrl-C works all the same.
PREPARE = """import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import hwr_jax.commands.main as main
raise SystemExit(main.main())
"""


def write_iam(root: Path, *, forms: int = 40, words: str = "word") -> Path:
    lines = []
    for number in range(forms):
        word_id = f"a01-{number:03d}-00-00"
        lines.append(f"{word_id} ok 1 1 1 1 1 NN {words}{number}")
        path = root / "words" / "a01" / word_id[:7] / f"{word_id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 30 + number), number, np.uint8)).save(path)
    (root / "words.txt").write_text("\n".join(lines))
    return root


def load_all(name: str, data_dir: Path) -> list[Sample]:
    return [sample for split in SPLITS for sample in load_prepared(name, split, data_dir)]


def command(data_dir: Path, *flags: str) -> list[str]:
    return [sys.executable, "-c", PREPARE, "data", "prepare", "synthetic", f"--data_dir={data_dir}", *flags]


def names_under(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_is_prepared_is_what_the_reader_gave(tmp_path: Path) -> None:
    source = write_iam(tmp_path / "iam")
    info = prepare("iam_words", source, tmp_path / "data")
    assert not info.reused
    assert find_prepared("iam_words", tmp_path / "data") == dataclasses.replace(info, reused=True)
    assert {split: len(load_prepared("iam_words", split, tmp_path / "data")) for split in SPLITS} == {
        split: summary.samples for split, summary in info.splits.items()
    }
    expected = {sample.id: sample for sample in parse_iam_words(source, workers=1) if isinstance(sample, Sample)}
    loaded = load_all("iam_words", tmp_path / "data")
    assert len(loaded) == len(expected) == 40
    for sample in loaded:
        original = expected[sample.id]
        assert sample == Sample(original.id, original.text, original.writer, original.image_bytes())
    assert names_under(tmp_path / "data") == {"iam_words", ".iam_words.lock"}


def test_a_prepared_split_is_a_sequence(tmp_path: Path) -> None:
    prepare("iam_words", write_iam(tmp_path / "iam"), tmp_path / "data")
    split = load_prepared("iam_words", "train", tmp_path / "data")
    samples = list(split)
    assert len(samples) == len(split) > 20
    assert split[3] == samples[3]
    assert split[-1] == samples[-1]
    assert split[5:9] == samples[5:9]
    assert split.read([7, 2, 7]) == [samples[7], samples[2], samples[7]]
    assert split.read([]) == []
    with pytest.raises(IndexError):
        split[len(split)]


def test_progress_counts_to_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    prepare(
        SyntheticParams(writers=4, words_per_writer=3).data_name,
        None,
        tmp_path,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(done, 12) for done in range(1, 13)]


def test_synthetic_data_s_name_spells_out_their_parameters(tmp_path: Path) -> None:
    params = SyntheticParams(writers=3, words_per_writer=2, seed=5)
    info = prepare(params.data_name, None, tmp_path)
    assert info.name == params.data_name == "synthetic/writers3_words2_seed5"
    assert info.folder == tmp_path / "synthetic" / "writers3_words2_seed5" / "1.1.0"
    expected = list(parse_synthetic(writers=3, words_per_writer=2, seed=5))
    assert {sample.id for sample in load_all(info.name, tmp_path)} == {sample.id for sample in expected}


def test_a_second_prepare_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_iam(tmp_path / "iam")
    first = prepare("iam_words", source, tmp_path / "data")
    monkeypatch.setattr(prepared, "_run", None)  # anything that prepared would fail
    for again in (source, None):
        second = prepare("iam_words", again, tmp_path / "data")
        assert second.reused
        assert (second.folder, second.splits) == (first.folder, first.splits)


def test_another_source_is_refused_or_replaces(tmp_path: Path) -> None:
    prepare("iam_words", write_iam(tmp_path / "iam"), tmp_path / "data")
    other = write_iam(tmp_path / "other", words="different")
    with pytest.raises(InputError, match=r"other: not what .* was prepared from \(iam\)"):
        prepare("iam_words", other, tmp_path / "data")
    with pytest.raises(InputError, match="gone: no such file"):
        prepare("iam_words", tmp_path / "gone", tmp_path / "data")
    prepare("iam_words", other, tmp_path / "data", overwrite=True)
    assert all(sample.text.startswith("different") for sample in load_all("iam_words", tmp_path / "data"))


def test_overwriting_with_a_wrong_source_keeps_what_was_there(tmp_path: Path) -> None:
    prepare("iam_words", write_iam(tmp_path / "iam"), tmp_path / "data")
    before = load_all("iam_words", tmp_path / "data")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no words\.txt"):
        prepare("iam_words", tmp_path / "empty", tmp_path / "data", overwrite=True)
    assert load_all("iam_words", tmp_path / "data") == before
    assert names_under(tmp_path / "data") == {"iam_words", ".iam_words.lock"}


def test_an_empty_split_is_an_empty_sequence(tmp_path: Path) -> None:
    info = prepare("iam_words", write_iam(tmp_path / "iam", forms=1), tmp_path / "data")
    counts = {split: len(list(load_prepared("iam_words", split, tmp_path / "data"))) for split in SPLITS}
    assert counts == {split: summary.samples for split, summary in info.splits.items()}
    assert sorted(counts.values()) == [0, 0, 1]


def test_wrong_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'unipen_words'"):
        prepare("unipen_word", None, tmp_path)
    with pytest.raises(InputError, match="the source is missing"):
        prepare("unipen_words", None, tmp_path)
    with pytest.raises(InputError, match="leave out the source"):
        prepare("synthetic", tmp_path, tmp_path)
    with pytest.raises(InputError, match="no such split"):
        load_prepared("iam_words", "dev", tmp_path)
    with pytest.raises(InputError, match=r"not prepared in .*; run hwr data prepare iam_words --source=PATH"):
        load_prepared("iam_words", "train", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"splits"', '"spl', "damaged"),
        ("{", "", "damaged"),
        ("writer-sha256", "by-moon-phase", "split by another rule"),
    ],
)
def test_a_summary_that_cannot_be_trusted_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    info = prepare("iam_words", write_iam(tmp_path / "iam", forms=2), tmp_path / "data")
    path = info.folder / "summary.json"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        load_prepared("iam_words", "train", tmp_path / "data")
    prepare("iam_words", tmp_path / "iam", tmp_path / "data", overwrite=True)
    assert load_all("iam_words", tmp_path / "data")


def test_the_data_dir_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HWR_JAX_DATA_DIR", raising=False)
    assert default_data_dir() == tmp_path / "cache" / "hwr_jax" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_data_dir() == Path.home() / ".cache" / "hwr_jax" / "data"
    monkeypatch.setenv("HWR_JAX_DATA_DIR", str(tmp_path / "chosen"))
    assert default_data_dir() == tmp_path / "chosen"
    info = prepare(SyntheticParams(writers=2, words_per_writer=1).data_name, None)
    assert info.folder.is_relative_to(tmp_path / "chosen")


@pytest.mark.parametrize("kill_signal", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_started_again(tmp_path: Path, kill_signal: int) -> None:
    process = subprocess.Popen(
        command(tmp_path, "--synthetic_writers=400", "--workers=2"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    scratch = tmp_path / ".synthetic.preparing"
    deadline = time.monotonic() + 60
    while not list(scratch.glob("synthetic/*/incomplete.*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(kill_signal)
    process.wait(timeout=60)
    assert process.returncode != 0
    params = SyntheticParams(writers=400)
    assert find_prepared(params.data_name, tmp_path) is None
    if kill_signal == signal.SIGINT:
        assert not scratch.exists()
    small = SyntheticParams(writers=3, words_per_writer=2)
    info = prepare(small.data_name, None, tmp_path)
    assert sum(split.samples for split in info.splits.values()) == 6
    assert not scratch.exists()


def test_two_processes_at_once_make_one(tmp_path: Path) -> None:
    flags = ("--synthetic_writers=30", "--synthetic_words_per_writer=20", "--workers=1")
    processes = [
        subprocess.Popen(command(tmp_path, *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum("It was prepared before" in output for output in outputs) == 1
    samples = [
        sample for split in SPLITS for sample in load_prepared(SyntheticParams(30, 20).data_name, split, tmp_path)
    ]
    assert len({sample.id for sample in samples}) == len(samples) == 600


def test_a_file_size_limit_reads_as_one_line(tmp_path: Path) -> None:
    """Stands in for a full disk: the system refuses to write more than 200 kB to a file."""
    limited = f"{LIMIT_FILES}{PREPARE}"
    process = subprocess.run(
        [sys.executable, "-c", limited, *command(tmp_path, "--synthetic_writers=20", "--workers=1")[3:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert last.startswith("hwr data: ")
    assert os.strerror(errno.EFBIG) in last
    assert "Traceback" not in process.stderr
    assert names_under(tmp_path) == {".synthetic.lock"}


def test_a_disk_that_fills_up_under_arrayrecord_is_an_oserror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(
            'Failed to finalize writing of split "train": write() failed: No space left on device;\n at 9'
        )

    monkeypatch.setattr(builder.SamplesBuilder, "download_and_prepare", fail)
    with pytest.raises(OSError, match=r"cannot write the prepared data: .*No space left on device; at 9"):
        prepare("synthetic", None, tmp_path)


def test_a_data_dir_that_cannot_be_made_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        prepare("synthetic", None, tmp_path / "file" / "data")


OWN_FORMAT = """
import sys
from pathlib import Path

import hwr_jax
from hwr_jax.config_files import load_config_file
from hwr_jax.data.formats.base import Format, Option
from hwr_jax.data.prepared import prepare
from hwr_jax.data.sample import Sample


def parse(source, *, workers, tell_total, shout=False):
    \"\"\"Images named WRITER_TEXT.png.\"\"\"
    for path in sorted(source.glob("*.png")):
        writer, text = path.stem.split("_")
        yield Sample(path.stem, text.upper() if shout else text, writer, path)


NAMED = Format("named_images", parse, options=(Option("shout", "texts in capitals", switch=True),))
info = prepare("named_images/mine", Path(sys.argv[1]), Path(sys.argv[2]), options={"shout": True}, format=NAMED)
assert sum(split.samples for split in info.splits.values()) == 40
config = load_config_file("quickstart")
config.data.name, config.data.data_dir = "named_images/mine", sys.argv[2]
config.data.batch_size = config.data.evaluation_batch_size = 4
config.training.steps = 2
run = hwr_jax.train(config, sys.argv[2] + "/run")
print(run.status, run.step)
"""


def test_a_script_anywhere_brings_a_format_of_its_own_and_trains(tmp_path: Path) -> None:
    for number in range(40):
        Image.fromarray(np.full((20, 30), number, np.uint8)).save(tmp_path / f"w{number}_word.png")
    (tmp_path / "own.py").write_text(OWN_FORMAT)
    done = subprocess.run(
        [sys.executable, "own.py", str(tmp_path), str(tmp_path / "data")], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.split()[-2:]) == (0, ["done", "2"]), done.stderr
    texts = {sample.text for split in SPLITS for sample in load_prepared("named_images/mine", split, tmp_path / "data")}
    assert texts == {"WORD"}
    # Prepared, it is found by its name alone; and not where there is none.
    assert find_prepared("named_images/mine", tmp_path / "data") is not None
    with pytest.raises(InputError, match="no such data set"):
        find_prepared("named_images/other", tmp_path / "data")
