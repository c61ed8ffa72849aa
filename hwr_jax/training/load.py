"""Any trained model by name or path: shipped with the package, exported, or the folder of a run."""

from pathlib import Path

from hwr_jax.errors import InputError
from hwr_jax.models.trained import PRETRAINED, TrainedModel, build_trained, load_exported, pretrained_names
from hwr_jax.training.checkpoint import Checkpoints
from hwr_jax.training.ema import evaluated_of_saved


def load_model(name_or_path: str, checkpoint: str = "best") -> TrainedModel:
    """Loads a model.

    Args:
      name_or_path: the name of a model that comes with the package, the folder of an exported one, or a run's workdir.
      checkpoint: of a workdir, "best" (lowest validation CER) or "latest".

    Raises:
      InputError: there is no such model, or it is damaged.
    """
    folder = Path(name_or_path)
    if "/" not in name_or_path and (PRETRAINED / name_or_path / "model.json").exists():
        return load_exported(PRETRAINED / name_or_path)
    if (folder / "model.json").exists():
        return load_exported(folder)
    if (folder / "checkpoints").is_dir():
        return load_run(folder, checkpoint)
    known = ", ".join(pretrained_names()) or "none yet"
    raise InputError(
        f"model {name_or_path!r}: neither a shipped model ({known}), nor an exported folder, nor the workdir of a run"
    )


def load_run(workdir: Path, checkpoint: str = "best") -> TrainedModel:
    """The model of a run, from its best or latest whole checkpoint."""
    checkpoints = Checkpoints(workdir / "checkpoints", writable=False)
    restored = checkpoints.restore(checkpoint)
    checkpoints.close()
    return build_trained(
        f"{workdir.resolve().name}@{restored.step}",
        restored.about["config"],
        restored.about["alphabet"],
        evaluated_of_saved(restored.state),
        str(workdir),
    )


def model_folder(name_or_path: str) -> Path | None:
    """The folder of a model, where decoder.json may stand; None for one that comes with the package."""
    return None if "/" not in name_or_path and name_or_path in pretrained_names() else Path(name_or_path)
