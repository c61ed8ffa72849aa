"""`hwr export`: a run's model as a small folder."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from hwr_jax.commands.main import main
from hwr_jax.config import ModelConfig, OptimizerConfig
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import load_exported
from hwr_jax.strict import build_dataclass
from hwr_jax.training.checkpoint import Checkpoints
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.state import init_state


@pytest.fixture(scope="module")
def workdir(model_folder, tmp_path_factory) -> Path:
    """A run with the tiny model's config: its best checkpoint is of step 1, its latest of step 2."""
    model = load_exported(model_folder)
    config = model.config["model"]
    folder = tmp_path_factory.mktemp("runs") / "tiny"

    recognizer = Recognizer(build_dataclass(ModelConfig, config), model.alphabet.num_classes)
    state = jax.device_get(init_state(recognizer, build_optimizer(OptimizerConfig(), 2), seed=0))
    checkpoints = Checkpoints(folder / "checkpoints")
    for step, cer in ((1, 0.25), (2, 0.5)):
        parameters = jax.tree.map(lambda leaf, value=step: np.full_like(leaf, value), state.parameters)
        saved = state.replace(step=np.array(step, np.int32), parameters=parameters)
        checkpoints.save(saved, {"config": model.config, "alphabet": model.alphabet.characters}, cer)
    checkpoints.close()
    (folder / "environment.json").write_text(json.dumps({"git": "abc", "versions": {"jax": "0"}, "argv": ["hwr"]}))
    return folder


@pytest.mark.parametrize(("flags", "step"), [([], 1), (["--checkpoint=best"], 1), (["--checkpoint=latest"], 2)])
def test_the_asked_checkpoint_is_written(workdir, tmp_path, capsys, flags, step):
    output = tmp_path / "models" / "mine"
    assert main(["export", f"--workdir={workdir}", f"--output={output}", *flags]) == 0
    model = load_exported(output)
    assert model.name == "mine"
    assert all((np.asarray(leaf) == step).all() for leaf in jax.tree.leaves(model.tree))
    about = json.loads((output / "model.json").read_text())["about"]
    assert about == {"git": "abc", "versions": {"jax": "0"}, "checkpoint": f"tiny@{step}"}
    said = capsys.readouterr().out
    assert said.startswith(f"{output}: {model.parameters:,} parameters, ")
    assert said.endswith(f"from tiny@{step}\n")
    assert sorted(path.name for path in output.iterdir()) == ["model.json", "parameters.npz"]


def test_what_is_no_run_is_wrong_input(tmp_path, capsys):
    assert main(["export", f"--workdir={tmp_path / 'nowhere'}", f"--output={tmp_path / 'out'}"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("hwr export: ")
    assert str(tmp_path / "nowhere") in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "nowhere").exists()
