"""Models by name or path: exported folders, runs, and what is neither."""

from pathlib import Path

import jax
import numpy as np
import pytest

from hwr_jax.config import ExperimentConfig
from hwr_jax.errors import InputError
from hwr_jax.models import trained
from hwr_jax.models.trained import save_exported
from hwr_jax.strict import to_plain
from hwr_jax.training import load
from hwr_jax.training.checkpoint import Checkpoints
from hwr_jax.training.load import load_model, load_run


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, tiny_model, tiny_state) -> Path:
    """A run whose parameters of step n are n everywhere; 10 is the best, 20 the latest."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    about = {"config": to_plain(ExperimentConfig(model=tiny_model.config)), "alphabet": "abc"}
    checkpoints = Checkpoints(folder / "checkpoints")
    for step, cer in ((10, 0.1), (20, 0.2)):
        parameters = jax.tree.map(lambda leaf, value=step: np.full_like(leaf, value), tiny_state.parameters)
        checkpoints.save(tiny_state.replace(step=np.array(step, np.int32), parameters=parameters), about, cer)
    checkpoints.close()
    return folder


def values(tree: object) -> set[float]:
    return {float(value) for leaf in jax.tree.leaves(tree) for value in np.unique(leaf)}


def test_a_run_gives_its_best_or_latest_model(workdir, tiny_model):
    best, latest = load_model(str(workdir)), load_model(str(workdir), "latest")
    assert (best.name, values(best.tree)) == ("first@10", {10.0})
    assert (latest.name, values(latest.tree)) == ("first@20", {20.0})
    assert best.alphabet.characters == "abc"
    assert (best.preprocessing.height_px, best.preprocessing.width_px) == (16, 64)
    assert best.config["model"] == to_plain(tiny_model.config)


def test_an_exported_folder_is_a_model(workdir, tmp_path):
    save_exported(load_run(workdir), tmp_path / "exported", {})
    loaded = load_model(str(tmp_path / "exported"))
    assert (loaded.name, values(loaded.tree)) == ("first@10", {10.0})


def test_a_shipped_model_goes_by_its_name(workdir, tmp_path, monkeypatch):
    for module in (load, trained):
        monkeypatch.setattr(module, "PRETRAINED", tmp_path)
    save_exported(load_run(workdir), tmp_path / "shipped", {})
    assert load_model("shipped").name == "first@10"
    with pytest.raises(InputError, match=r"model 'shiped': neither a shipped model \(shipped\), nor an exported"):
        load_model("shiped")


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "/nowhere/at/all", "", "."])
def test_what_is_no_model_is_wrong_input(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"model '{name}': neither a shipped model") as told:
        load_model(name)
    assert "\n" not in str(told.value)


def test_a_file_is_no_model(tmp_path):
    (tmp_path / "word.png").write_bytes(b"")
    with pytest.raises(InputError, match="neither a shipped model"):
        load_model(str(tmp_path / "word.png"))


def test_a_run_without_a_checkpoint_is_wrong_input(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputError, match=r"checkpoints: no whole checkpoint; train first"):
        load_model(str(tmp_path))
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_checkpoint_of_another_alphabet_is_wrong_input(tmp_path, tiny_model, tiny_state):
    about = {"config": to_plain(ExperimentConfig(model=tiny_model.config)), "alphabet": "abcd"}
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(tiny_state, about)
    checkpoints.close()
    with pytest.raises(InputError, match=r"dense2/bias is \(6,\), the config's model and alphabet ask for \(7,\)"):
        load_model(str(tmp_path))
