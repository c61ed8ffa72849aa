"""Any trained model by name or path: shipped with the package, exported, or the folder of a run."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from hwr_jax.config import ExperimentConfig
from hwr_jax.config_files import open_config_file
from hwr_jax.errors import InputError
from hwr_jax.models.trained import PRETRAINED, TrainedModel, build_trained, load_exported, pretrained_names
from hwr_jax.renames import rename_config
from hwr_jax.strict import build_dataclass
from hwr_jax.training.checkpoint import Checkpoints, evaluated_of_saved, saved_part
from hwr_jax.training.parts import Parts, parts_of_file

OwnParts: TypeAlias = Parts | str | os.PathLike[str] | None


def load_model(name_or_path: str, checkpoint: str = "best", parts: OwnParts = None) -> TrainedModel:
    """Loads a shipped model by its name, an exported one from its folder, or that of a run's workdir.

    Of a run the checkpoint is the "best" (lowest validation CER) or the "latest", and `parts` are those it was trained
    with, or the config file that gives them, where its encoder is one's own. Raises InputError: there is no such model,
    it is damaged, or it needs parts.
    """
    folder = Path(name_or_path)
    if "/" not in name_or_path and (PRETRAINED / name_or_path / "model.json").exists():
        return load_exported(PRETRAINED / name_or_path)
    if (folder / "model.json").exists():
        return load_exported(folder)
    if (folder / "checkpoints").is_dir():
        return load_run(folder, checkpoint, parts)
    known = ", ".join(pretrained_names()) or "none yet"
    raise InputError(
        f"model {name_or_path!r}: neither a shipped model ({known}), nor an exported folder, nor the workdir of a run"
    )


def load_run(workdir: Path, checkpoint: str = "best", parts: OwnParts = None) -> TrainedModel:
    """The model of a run, from its best or latest whole checkpoint."""
    checkpoints = Checkpoints(workdir / "checkpoints", writable=False)
    restored = checkpoints.restore(checkpoint)
    checkpoints.close()
    if isinstance(parts, str | os.PathLike):
        config = build_dataclass(ExperimentConfig, rename_config(restored.about["config"]))
        parts = parts_of_file(open_config_file(os.fspath(parts)), config)
    needed, given = restored.about.get("parts", {}), parts.own if parts else {}
    if needed != given:
        own = f"{_name(needed)}, not {_name(given)}"
        raise InputError(f"{workdir}: was trained with {own}; give its own as parts=, or as --parts=FILE.py")
    return build_trained(
        f"{workdir.resolve().name}@{restored.step}",
        restored.about["config"],
        restored.about["alphabet"],
        evaluated_of_saved(restored.state),
        str(workdir),
        saved_part(restored.state, "collections."),
        parts.encoder if parts else None,
    )


def _name(parts: Mapping[str, str]) -> str:
    return ", ".join(f"{kind} {name}" for kind, name in parts.items()) or "no parts of its own"


def model_folder(name_or_path: str) -> Path | None:
    """The folder of a model, where decoder.json may stand; None for one that comes with the package."""
    return None if "/" not in name_or_path and name_or_path in pretrained_names() else Path(name_or_path)
