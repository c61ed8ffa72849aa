"""A whole run of a line finder: its files, and that it goes on bit for bit."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image, ImageDraw

import hwr_jax
from hwr_jax.data.page_sets import group_by_document, list_pages
from hwr_jax.data.prepared import prepare
from hwr_jax.errors import InputError
from hwr_jax.page_config import PageDataConfig, default_page_config
from hwr_jax.training.checkpoint import Checkpoints

pytestmark = pytest.mark.usefixtures("quick_compilation")

PAGE = """<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Page imageFilename="{name}.png" imageWidth="120" imageHeight="160"><TextRegion id="r"><Coords points="0,0 9,0 9,9"/>
{lines}</TextRegion></Page></PcGts>"""
LINE = """<TextLine id="l{top}"><Coords points="10,{top} 110,{top} 110,{bottom} 10,{bottom}"/>
<Baseline points="10,{foot} 110,{foot}"/></TextLine>"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    """Pages with bars for lines, of documents in all splits."""
    source, data_dir = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("data")
    for number in range(24):
        image = Image.new("L", (120, 160), 230)
        tops = range(20 + number % 5, 140, 30)
        for top in tops:
            ImageDraw.Draw(image).rectangle([10, top + 4, 110, top + 10], fill=30)
        name = f"{'held' if number < 2 else 'letter'}_{number:02d}"
        image.save(source / f"{name}.png")
        lines = "".join(LINE.format(top=top, foot=top + 10, bottom=top + 14) for top in tops)
        (source / f"{name}.xml").write_text(PAGE.format(name=name, lines=lines))
    prepare("pages", source, data_dir)
    return data_dir


@pytest.fixture
def config(data_dir):
    config = default_page_config()
    config.data.data_dir = str(data_dir)
    config.data.test_only = ("held_",)
    config.data.tile_px, config.data.batch_size, config.data.workers = 64, 4, 1
    config.model.features, config.model.blocks, config.model.up_blocks = (16, 16), (1, 1), (1,)
    config.model.long_side_px = 160
    config.training.steps, config.training.log_every_steps = 4, 1
    config.training.evaluate_every_steps, config.training.parallel = 2, "jit"
    return config


def lines_of(workdir: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "second" not in name} for line in lines]


def state_of(workdir: Path):
    checkpoints = Checkpoints(workdir / "checkpoints", writable=False, metric="loss")
    restored = checkpoints.restore("latest")
    checkpoints.close()
    return restored


def test_a_stopped_run_goes_on_bit_for_bit(config, tmp_path):
    run = hwr_jax.train(config, tmp_path / "whole")
    assert (run.status, run.step) == ("done", 4)
    assert json.loads((tmp_path / "whole" / "status.json").read_text())["status"] == "done"
    whole = lines_of(tmp_path / "whole")
    assert [line["step"] for line in whole] == [1, 2, 3, 4]
    for name in ("core", "baseline", "starts", "ends", "separation", "overlap", "heights", "turns"):
        assert f"train/{name}" in whole[0]
        assert f"validation/{name}" in whole[1]
    shutil.copytree(tmp_path / "whole", tmp_path / "stopped")
    shutil.rmtree(tmp_path / "stopped" / "checkpoints" / "4")
    again = hwr_jax.train(config, tmp_path / "stopped")
    assert (again.status, again.step) == ("done", 4)
    assert lines_of(tmp_path / "stopped") == whole
    states = [state_of(tmp_path / name) for name in ("whole", "stopped")]
    assert states[0].step == states[1].step == 4
    for leaf, other in zip(*(jax.tree.leaves(state.state) for state in states), strict=True):
        np.testing.assert_array_equal(leaf, other)


def test_a_run_keeps_its_config(config, tmp_path):
    config.training.steps = 1
    hwr_jax.train(config, tmp_path / "run")
    config.losses.core = 2.0
    with pytest.raises(InputError, match=r"holds a run with losses\.core=1\.0, not 2\.0"):
        hwr_jax.train(config, tmp_path / "run")


def test_held_out_documents_are_of_the_test_split_alone(data_dir):
    data = PageDataConfig(data_dir=str(data_dir), test_only=("held_",))
    by_split = {split: list_pages(data, split) for split in ("train", "validation", "test")}
    assert {entry.id for entry in by_split["test"]} >= {"held_00", "held_01"}
    assert sum(map(len, by_split.values())) == 24
    documents = [set(group_by_document(entries)) for entries in by_split.values()]
    assert sum(map(len, documents)) == len(set.union(*documents))


def test_what_is_not_prepared_is_said(config, tmp_path):
    config.data.names = ("pages/more",)
    with pytest.raises(InputError, match=r"^data 'pages/more': not prepared; run hwr data prepare pages/more"):
        hwr_jax.train(config, tmp_path / "run")


def test_a_run_begins_with_the_parameters_of_another(config, tmp_path, capsys):
    hwr_jax.train(config, tmp_path / "first")
    best = min(line["validation/loss"] for line in lines_of(tmp_path / "first") if "validation/loss" in line)
    hwr_jax.train(config, tmp_path / "second", init_from=str(tmp_path / "first"))
    before = lines_of(tmp_path / "second")[0]
    assert (before["step"], before["validation/loss"]) == (0, pytest.approx(best, rel=1e-6))
    assert "begins with the parameters of first@" in capsys.readouterr().err
    assert json.loads((tmp_path / "second" / "init_from.json").read_text()) == {"model": str(tmp_path / "first")}
    with pytest.raises(InputError, match=r"^--workdir=\S+: holds a run that began from \S+first, not from page_lines"):
        hwr_jax.train(config, tmp_path / "second", init_from="page_lines")


def test_a_run_begins_with_no_other_layers(config, tmp_path):
    with pytest.raises(
        InputError, match=r"^--init_from=page_lines: down0_0/\S+ is \(32,\), the config's network asks for "
    ):
        hwr_jax.train(config, tmp_path / "run", init_from="page_lines")
    with pytest.raises(InputError, match=r"^line finder 'unipen_words': neither page_lines"):
        hwr_jax.train(config, tmp_path / "run", init_from="unipen_words")
