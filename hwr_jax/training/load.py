"""Any trained model by name or path: shipped with the package, exported, or the folder of a run."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from hwr_jax.decoding.calibrated import FILE_NAME as CALIBRATION_FILE
from hwr_jax.decoding.calibrated import CalibratedDecoder, load_calibrations
from hwr_jax.decoding.settings import ChosenDecoder, DecoderChoice, choose_decoder
from hwr_jax.errors import InputError
from hwr_jax.hub import is_address, pull
from hwr_jax.messages import suggest
from hwr_jax.models.parameter_files import fingerprint_parameters
from hwr_jax.models.trained import PRETRAINED, TrainedModel, build_trained, load_exported, pretrained_names
from hwr_jax.renames import rename_config
from hwr_jax.strict import build_dataclass
from hwr_jax.text.alphabet import Alphabet

# A reader with a model of the package starts without what trains.
if TYPE_CHECKING:
    from hwr_jax.training.parts import Parts

    OwnParts: TypeAlias = Parts | str | os.PathLike[str] | None
else:
    OwnParts = Any


def load_model(name_or_path: str, checkpoint: str = "best", parts: OwnParts = None) -> TrainedModel:
    """Loads a shipped model by its name, one of a hub by its address, an exported one or that of a run by its folder.

    Of a run the checkpoint is the "best" (lowest validation CER) or the "latest", and `parts` are those it was trained
    with, or the config file that gives them, where its encoder is one's own. Raises InputError: there is no such model,
    it is damaged, or it needs parts.
    """
    if is_address(name_or_path):
        return load_exported(pull(name_or_path))
    folder = Path(name_or_path)
    if "/" not in name_or_path and (PRETRAINED / name_or_path / "model.json").exists():
        return load_exported(PRETRAINED / name_or_path)
    if (folder / "model.json").exists():
        return load_exported(folder)
    if (folder / "checkpoints").is_dir():
        return load_run(folder, checkpoint, parts)
    known = ", ".join(pretrained_names()) or "none yet"
    near = suggest(name_or_path, pretrained_names())
    raise InputError(
        f"model {name_or_path!r}: neither a shipped model ({known}), nor an exported folder, nor the workdir of a run"
        f"{near and f'; {near}'}"
    )


def load_run(workdir: Path, checkpoint: str = "best", parts: OwnParts = None) -> TrainedModel:
    """The model of a run, from its best or latest whole checkpoint."""
    from hwr_jax.training.checkpoint import Checkpoints, evaluated_of_saved, saved_part

    checkpoints = Checkpoints(workdir / "checkpoints", writable=False)
    restored = checkpoints.restore(checkpoint)
    checkpoints.close()
    parts = find_parts(parts, restored.about["config"])
    needed, given = (own.get("encoder") for own in (restored.about.get("parts", {}), parts.own if parts else {}))
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


def find_parts(parts: OwnParts, config: Mapping[str, Any]) -> "Parts | None":
    """The parts, or those that a config file gives for a model's config of plain values."""
    if not isinstance(parts, str | os.PathLike):
        return parts
    from hwr_jax.config import ExperimentConfig
    from hwr_jax.config_files import open_config_file
    from hwr_jax.training.parts import parts_of_file

    resolved = build_dataclass(ExperimentConfig, rename_config(config))
    return parts_of_file(open_config_file(os.fspath(parts)), resolved)


@runtime_checkable
class Decodable(Protocol):
    """What of a model says how it is decoded; `TrainedModel` has it."""

    @property
    def alphabet(self) -> Alphabet: ...

    @property
    def config(self) -> Mapping[str, Any]: ...

    @property
    def tree(self) -> Any: ...


def choose_model_decoder(choice: DecoderChoice, name_or_path: str, model: Decodable, parts: OwnParts) -> ChosenDecoder:
    """The decoder of a model by a name in its parts or in the table; see `choose_decoder`.

    Its probabilities are calibrated where a file beside the model says how, but at a temperature that was asked for or
    tuned they are left as they are.
    """
    found = find_parts(parts, model.config)
    own = found.decoders if found else {}
    chosen = choose_decoder(choice, model.alphabet, folder=model_folder(name_or_path), own=own)
    if chosen.about.get("temperature") != 1:
        return chosen
    path = (model_folder(name_or_path) or PRETRAINED / name_or_path) / CALIBRATION_FILE
    calibrations = load_calibrations(path, fingerprint_parameters(model.tree)) if path.exists() else {}
    if (fitted := calibrations.get(chosen.label)) is None:
        return chosen
    about = {**chosen.about, "calibration": dataclasses.asdict(fitted.text)}
    return ChosenDecoder(CalibratedDecoder(chosen.decoder, fitted.text), chosen.label, about, fitted)


def _name(encoder: str | None) -> str:
    return f"encoder {encoder}" if encoder else "an encoder of hwr_jax"


def model_folder(name_or_path: str) -> Path | None:
    """The folder of a model, where decoder.json may stand; None for one that comes with the package."""
    if is_address(name_or_path):
        return pull(name_or_path)
    return None if "/" not in name_or_path and name_or_path in pretrained_names() else Path(name_or_path)
