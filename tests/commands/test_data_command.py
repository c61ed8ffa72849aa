"""`hwr data prepare`, `check` and `show`."""

from pathlib import Path

import pytest
from PIL import Image

from hwr_jax.commands import data, main
from hwr_jax.data.formats.synthetic import SyntheticParams
from hwr_jax.data.prepared import find_prepared
from hwr_jax.errors import InputError

SMALL = ("--synthetic_writers=30", "--synthetic_words_per_writer=2", "--workers=1")
INK = """.WRITER_ID w001
.PEN_DOWN
0 0
5 9
.PEN_UP
.PEN_DOWN
7 0
9 9
.PEN_UP
"""
WORDS = """.INCLUDE abc/data/abc7_0000_0.dat
.SEGMENT WORD 0 OK "a"
.SEGMENT WORD 1 OK "b"
.SEGMENT WORD 0-1 BAD "c"
"""


@pytest.fixture
def unipen(tmp_path: Path) -> Path:
    for name, content in (("data/7/abc/abc7_0000.dat", WORDS), ("include/abc/data/abc7_0000_0.dat", INK)):
        path = tmp_path / "unipen" / name
        path.parent.mkdir(parents=True)
        path.write_text(content)
    return tmp_path / "unipen"


def test_prepare_reports_splits_skips_and_folder(
    unipen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["prepare", "unipen_words", f"--source={unipen}", f"--data_dir={tmp_path / 'data'}", "--workers=1"]
    assert data.main(argv) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["unipen_words", "1.1.0:", str(tmp_path / "data" / "unipen_words" / "1.1.0")]
    assert ["train", "2", "1"] in lines
    assert ["test", "0", "0"] in lines
    assert ["1", "quality", "BAD:", "unipen/abc/abc7_0000/2"] in lines
    assert data.main(argv) == 0
    assert "It was prepared before; nothing was done." in capsys.readouterr().out
    assert data.main([*argv, "--overwrite"]) == 0
    assert "prepared before" not in capsys.readouterr().out


def test_prepare_names_the_lines_of_rows_that_it_skips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (30, 20), 200).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("image,text,writer\n" + "b.png,x\n" * 5 + "a.png,x,w\n")
    argv = ["prepare", "manifest/t", f"--source={tmp_path / 't.csv'}", f"--data_dir={tmp_path / 'data'}", "--workers=1"]
    assert data.main(argv) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "5 row has fewer columns than the header: t.csv, line 2; t.csv, line 3; t.csv, line 4 ..." in said


def test_prepare_takes_the_parameters_of_synthetic_data(tmp_path: Path) -> None:
    assert data.main(["prepare", "synthetic", f"--data_dir={tmp_path}", "--synthetic_seed=3", *SMALL]) == 0
    info = find_prepared(SyntheticParams(writers=30, words_per_writer=2, seed=3).data_name, tmp_path)
    assert info is not None
    assert sum(split.samples for split in info.splits.values()) == 60
    assert find_prepared("synthetic", tmp_path) is None


@pytest.mark.parametrize("prepared_first", [True, False])
def test_show_writes_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str], prepared_first: bool) -> None:
    if prepared_first:
        data.main(["prepare", "synthetic", f"--data_dir={tmp_path}", *SMALL])
    output = tmp_path / "sheets" / "sheet.png"
    argv = ["show", "synthetic", f"--data_dir={tmp_path}", "--count=9", f"--output={output}", *SMALL]
    assert data.main(argv) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{output}: 9 of 60 samples"
    first = output.read_bytes()
    with Image.open(output) as sheet:
        assert (sheet.format, sheet.width) == ("PNG", 1328)
    assert data.main(argv) == 0
    assert output.read_bytes() == first
    assert data.main([*argv, "--seed=1"]) == 0
    assert output.read_bytes() != first
    assert data.main([*argv, "--count=99", "--split=train"]) == 0
    shown, _, total, _ = capsys.readouterr().out.splitlines()[-1].split(": ")[1].split()
    assert shown == total
    assert 0 < int(total) < 60


def test_show_works_on_raw_data(unipen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "sheet.png"
    argv = ["show", "unipen_words", f"--source={unipen}", "--workers=1", f"--output={output}"]
    assert data.main(argv) == 0
    assert "2 of 2 samples" in capsys.readouterr().out
    assert output.stat().st_size > 1000
    with pytest.raises(InputError, match="unipen_words, test: no samples to show"):
        data.main([*argv, "--split=test"])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "prepare|check|show"),
        (["prepare"], "NAME"),
        (["look", "unipen_words"], "invalid choice: 'look'"),
        (
            ["prepare", "unipen"],
            "data 'unipen': no such data set (a name of your own stands after a format, as in pairs/unipen",
        ),
        (["prepare", "unipen_words"], "the source is missing; give the path of the raw data with --source=PATH"),
        (["prepare", "unipen_words", "--source=/nowhere"], "/nowhere: no such file or folder"),
        (["prepare", "synthetic", "--config=quickstart"], "unrecognized arguments: --config=quickstart"),
        (["check", "synthetic", "--count=3"], "unrecognized arguments: --count=3; hwr data show takes it"),
        (["prepare", "synthetic", "--sorce=x"], "unrecognized arguments: --sorce=x"),
        (["prepare", "synthetic", "--synthetic_writers=0"], "must be at least 1"),
        (["prepare", "synthetic", "--workers=0"], "--workers: '0' is not a whole number from 1 up"),
        (["show", "synthetic"], "--output"),
        (["show", "synthetic", "--output=sheet.gif"], "--output=sheet.gif: must end in .png"),
        (["show", "synthetic", "--output=sheet.png", "--count=0"], "--count: '0' is not a whole number from 1 up"),
        (["show", "synthetic", "--output=sheet.png", "--split=dev"], "invalid choice: 'dev'"),
        (["show", "iam_words", "--output=sheet.png"], "not prepared in"),
        (
            ["show", "synthetic", "--output=sheet.png", "--config=quickstart"],
            "--config: has no effect without --augmented",
        ),
        (["show", "synthetic", "--output=sheet.png", "--augmented"], "Give --config=NAME"),
    ],
)
def test_wrong_flags_are_one_line_and_status_1(
    argv: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HWR_JAX_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert main.main(["data", *argv]) == 1
    output, error = capsys.readouterr()
    assert (output, error.count("\n")) == ("", 1)
    assert error.startswith("hwr data: ")
    assert message in error
    assert not list(tmp_path.glob("*.png"))


def test_a_manifest_under_a_name_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (40, 20), 200).save(tmp_path / "1.png")
    (tmp_path / "data.csv").write_text("file,said,part\n1.png,x,train\n")
    argv = [f"--source={tmp_path / 'data.csv'}", f"--data_dir={tmp_path / 'data'}", "--workers=1"]
    options = ["--text_column=said", "--split_column=part"]
    assert main.main(["data", "prepare", "manifest/mine", *argv]) == 1
    assert "which column holds the text? Say --text_column=NAME" in capsys.readouterr().err
    assert data.main(["prepare", "manifest/mine", *argv, *options]) == 0
    assert "used with --config.data.split=given" in capsys.readouterr().out
    assert data.main(["show", "manifest/mine", *argv[1:], f"--output={tmp_path / 'sheet.png'}"]) == 0
    assert main.main(["data", "prepare", "manifest/mine", *argv, "--text_column=part"]) == 1
    assert "was prepared with other options (--text_column=said --split_column=part)" in capsys.readouterr().err
    assert main.main(["data", "prepare", "iam_words", *argv, "--text_column=x"]) == 1
    assert "--text_column: iam_words takes no such option; it takes none" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["word", "line", "keras"])
def test_show_draws_augmented_samples(
    kind: str, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "sheet.png"
    argv = ["show", "synthetic", f"--data_dir={tmp_path}", "--augmented", "--count=2", f"--output={output}", *SMALL]
    argv += [f"--config={repository}/configs/quickstart.py", f"--config.data.preprocessing={kind}"]
    with pytest.raises(InputError, match=r"augments nothing; raise a strength, for example with --config\.augment"):
        data.main(argv)
    assert not output.exists()
    argv += ["--config.augment.shear=0.5"]
    assert data.main(argv) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{output}: 2 of 60 samples"
    first = output.read_bytes()
    assert data.main(argv) == 0
    assert output.read_bytes() == first
    assert data.main([*argv, "--config.augment.shear=0.4"]) == 0
    assert output.read_bytes() != first
