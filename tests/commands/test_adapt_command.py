"""`hwr adapt` as one gives it: its table, and one line for each kind of wrong input."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax import adaptation
from hwr_jax.commands.main import main
from hwr_jax.data.formats.synthetic import SyntheticParams

pytestmark = pytest.mark.usefixtures("quick_compilation")
TEXTS = ("one", "two", "tree", "four", "five", "six", "seven", "eight", "nine", "ten")


@pytest.fixture(autouse=True)
def small_replay(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HWR_JAX_DATA_DIR", str(tmp_path_factory.mktemp("data")))
    monkeypatch.setattr(adaptation, "SYNTHETIC_REPLAY", SyntheticParams(40, 2, 1))


def write_lines(folder: Path, texts=TEXTS, same: dict[int, int] | None = None) -> Path:
    """Bars of ink; `same` has for an image the one whose pixels it repeats."""
    folder.mkdir()
    for number, text in enumerate(texts):
        pixels = np.full((20, 60), 255, np.uint8)
        pixels[5:15, 4 : 10 + 4 * (same or {}).get(number, number)] = 0
        Image.fromarray(pixels).save(folder / f"{number}.png")
        (folder / f"{number}.gt.txt").write_text(text)
    return folder


def adapt(model_folder: Path, workdir: Path, source: Path | None, *flags: str) -> int:
    given = [f"--source={source}"] if source else []
    common = [f"--model={model_folder}", "--data=pairs/mine", f"--workdir={workdir}", "--workers=1", "--steps=2"]
    return main(["adapt", *common, *given, *flags])


def test_it_prepares_adapts_and_says_what_came_of_it(model_folder, tmp_path, capsys):
    workdir = tmp_path / "run"
    assert adapt(model_folder, workdir, write_lines(tmp_path / "lines")) == 0
    output, errors = capsys.readouterr()
    assert "trains on 6 lines; holds back 2 to stop by and 2 to measure on (data.split=line)" in errors
    assert "pairs/mine" in output
    assert "synthetic/writers40_words2_seed1" in output
    assert "pairs/mine: 2 samples: too few for an interval to mean much" in output
    assert f"Read images: hwr read --model={workdir} IMAGE ..." in output
    assert main(["read", f"--model={workdir}", str(tmp_path / "lines" / "0.png")]) == 0
    assert main(["evaluate", f"--model={workdir}", "--data=pairs/mine", "--split=all", "--workers=1"]) == 0
    capsys.readouterr()
    assert adapt(model_folder, workdir, None) == 0
    assert "has done all 2 steps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("texts", "same", "message"),
    [
        (TEXTS[:2], {}, "data 'pairs/mine': 2 lines; adapting takes 5 or more"),
        (("é", *TEXTS), {}, "1 label of 11 have characters that"),
        (TEXTS, {1: 0}, "data 'pairs/mine': one image has two texts: 0 is 'one', as 1 'two'"),
        (["two words"] * 10, {}, "data 'pairs/mine': holds lines, and "),
        (["same"] * 10, dict.fromkeys(range(10), 0), "one image is both trained on and held back"),
    ],
)
def test_lines_that_do_not_serve_are_one_line_and_nothing_is_written(
    texts, same, message, model_folder, tmp_path, capsys
):
    assert adapt(model_folder, tmp_path / "run", write_lines(tmp_path / "lines", texts, same)) == 1
    output, errors = capsys.readouterr()
    last = errors.splitlines()[-1]
    assert last.startswith("hwr adapt: ")
    assert message in last
    assert output == ""
    assert not (tmp_path / "run").exists()


def test_what_is_not_there_is_one_line(model_folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for source, flags, message in (
        (None, [], "data 'pairs/mine': not prepared; give --source=PATH"),
        (tmp_path / "empty", [], "empty: "),
        (tmp_path / "nowhere", [], "nowhere: no such file"),
        (None, ["--model=nothing"], "model 'nothing': neither a shipped model"),
        (None, ["--model=" + str(tmp_path)], "neither a shipped model"),
        (None, ["--data=mine"], "data 'mine': no such data set"),
    ):
        assert adapt(model_folder, tmp_path / "run", source, *flags) == 1
        errors = capsys.readouterr().err
        assert message in errors.splitlines()[-1], errors
        assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()
