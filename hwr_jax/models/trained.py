"""A trained model: parameters with all that is needed to read an image, in memory and as a small folder."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from hwr_jax.config import ModelConfig
from hwr_jax.data.batches import BATCH_SIZE, cut_to_widths, fill_up
from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.ink.preprocessing import images_to_input
from hwr_jax.models import ops
from hwr_jax.models.parameter_files import NPZ, find_parameters, read_parameters, write_parameters
from hwr_jax.models.recognizer import Recognizer, count_parameters, shapes_of
from hwr_jax.nested import flatten, unflatten
from hwr_jax.renames import rename_config
from hwr_jax.strict import build_dataclass
from hwr_jax.text.alphabet import Alphabet

FORMAT = 1
PRETRAINED = Path(__file__).resolve().parent.parent / "pretrained"


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """Parameters, and all that is needed to read an image with them."""

    name: str  # for people
    alphabet: Alphabet  # of its classes
    preprocessing: Preprocessing  # what its images are preprocessed to
    config: Mapping[str, Any]  # the resolved config of its experiment, plain values
    tree: Any  # its parameters, nested dicts of arrays
    # its other variables, such as {"batch_stats": ...}
    collections: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    encoder: nn.Module | None = None  # where that is of no table, see `hwr_jax.training.parts.Parts`
    batch_size: int = BATCH_SIZE  # images that are read at once; fewer are filled up to it, a single one is read alone
    # the jitted program of `make_log_probs`
    program: Any = dataclasses.field(init=False, repr=False, compare=False)

    @property
    def stride_px(self) -> int:
        """Columns of an image a frame of the output."""
        encoder: Any = self.encoder or build_dataclass(ModelConfig, self.config["model"], "model")
        return encoder.stride_px

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return count_parameters(self.tree)

    def log_probs(
        self, images_BxHxW: UInt8[np.ndarray, "B H W"], widths_B: Int[np.ndarray, "B"]
    ) -> tuple[Float[np.ndarray, "B T K"], Int[np.ndarray, "B"]]:
        """Log probabilities of the classes in every frame, for any number of preprocessed images.

        Of their columns those count that show something, see `hwr_jax.ink.model_input.measure_widths`. There are as
        many frames as the widest image takes; how many of each count is returned too.
        """
        ops.prepare_kernels()
        count = len(images_BxHxW)
        images_BxHxW = cut_to_widths(images_BxHxW, widths_B)
        size = 1 if count == 1 else self.batch_size
        variables = {"params": self.tree, **self.collections}
        parts = []
        for start in range(0, max(count, 1), size):
            rows = slice(start, start + size)
            filled = fill_up(images_BxHxW[rows], widths_B[rows], size)
            parts.append([np.asarray(result)[: count - start] for result in self.program(variables, *filled)])
        log_probs, frames = zip(*parts, strict=True)
        return np.concatenate(log_probs), np.concatenate(frames)

    def __post_init__(self) -> None:
        # Set past the frozen dataclass: it is derived, and kept so that it compiles once.
        program = make_log_probs(self.config, self.alphabet, self.preprocessing.kind, self.encoder)
        object.__setattr__(self, "program", program)


def make_log_probs(config: Mapping[str, Any], alphabet: Alphabet, kind: str, encoder: nn.Module | None = None) -> Any:
    """The jitted `(variables, images_BxHxW, widths_B) -> (log_probs_BxTxK, frames_B)` of an experiment's config."""
    model = Recognizer(build_dataclass(ModelConfig, config["model"], "model"), alphabet.num_classes, encoder)

    def log_probs(
        variables: Any, images_BxHxW: UInt8[Array, "B H W"], widths_B: Int[Array, "B"]
    ) -> tuple[Float[Array, "B T K"], Int[Array, "B"]]:
        images = images_to_input(images_BxHxW, kind)
        outputs: Any = model.apply(variables, images, widths_B if kind == "line" else None)
        logits, frames_B = outputs
        return jax.nn.log_softmax(logits), frames_B

    return jax.jit(log_probs)


def build_trained(
    name: str,
    config: Mapping[str, Any],
    characters: str,
    tree: Any,
    where: str,
    collections: Mapping[str, Any] | None = None,
    encoder: nn.Module | None = None,
    *,
    checked: bool = False,
) -> TrainedModel:
    """A trained model from what a checkpoint or an exported folder holds; see `TrainedModel`.

    Raises InputError: the parameters are not those of the config's model with this alphabet; if that is `checked`
    already, it is not done again, which takes as long as tracing the model.
    """
    alphabet = Alphabet(characters)
    config = rename_config(config)
    model_config = build_dataclass(ModelConfig, config["model"], "model")
    data = config["data"]
    # Configs from before there was a stretch have none.
    horizontal_scale = data.get("horizontal_scale", 1.0)
    preprocessing = Preprocessing(
        model_config.height_px, model_config.width_px, data["preprocessing"], horizontal_scale
    )
    if not checked:
        _check_shapes(tree, Recognizer(model_config, alphabet.num_classes, encoder), where)
    tree, collections = jax.device_put((tree, dict(collections or {})))  # jnp.asarray compiles for each shape.
    return TrainedModel(name, alphabet, preprocessing, config, tree, collections, encoder)


def require_known_encoder(model: TrainedModel) -> None:
    """Raises InputError: the encoder is one's own, which nobody has without its code."""
    if model.encoder is not None:
        raise InputError(f"model {model.name}: its encoder {type(model.encoder).__name__} is in no table of hwr_jax")


def save_exported(model: TrainedModel, folder: Path, about: Mapping[str, Any], format: str = NPZ) -> None:
    """Writes model.json and its parameters into the folder, in a format of `hwr_jax.models.parameter_files`.

    `about` says where the model comes from, for people: JSON values. Raises InputError: the model has an encoder of
    one's own, without which nobody could load it, or safetensors is not installed.
    """
    require_known_encoder(model)
    folder.mkdir(parents=True, exist_ok=True)
    write_parameters(folder, flatten(model.tree, "/"), format, str(about.get("licence", "")))
    description = {
        "format": FORMAT,
        "name": model.name,
        "characters": model.alphabet.characters,
        "config": model.config,
        "about": about,
    }
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (folder / "model.json").write_text(text, encoding="utf-8")


def load_exported(folder: Path) -> TrainedModel:
    """Reads a folder that `save_exported` wrote.

    Raises InputError: a file is missing or damaged, or the parameters do not fit the config.
    """
    try:
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        tree = unflatten(read_parameters(find_parameters(folder)), "/")
        if description["format"] != FORMAT:
            raise InputError(
                f"{folder}: model format {description['format']} is not {FORMAT}, the one this version reads"
            )
        shipped = folder.parent == PRETRAINED
        return build_trained(
            description["name"],
            description["config"],
            description["characters"],
            tree,
            str(folder),
            checked=shipped,
        )
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib, json and others each have errors of their own for damaged files.
        raise InputError(f"{folder}: not a whole exported model ({' '.join(str(error).split())})") from error


def pretrained_names() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob("*/model.json"))


def _check_shapes(tree: Any, model: Recognizer, where: str) -> None:
    expected = shapes_of(model)
    found = {name: leaf.shape for name, leaf in flatten(tree, "/").items()}
    for name in sorted(expected.keys() | found.keys()):
        shapes = [str(part.get(name, "missing")) for part in (found, expected)]
        if shapes[0] != shapes[1]:
            raise InputError(f"{where}: {name} is {shapes[0]}, the config's model and alphabet ask for {shapes[1]}")
