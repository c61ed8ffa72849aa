"""The seed model's weights from Keras files and into them."""

import dataclasses
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwr_jax.config import ModelConfig
from hwr_jax.errors import InputError
from hwr_jax.files import write_bytes
from hwr_jax.messages import count_of
from hwr_jax.models.keras_file import ABOUT, Architecture, WeightedLayer, read_architecture, read_keras_file
from hwr_jax.models.keras_model import build_keras_model
from hwr_jax.models.recognizer import CLASSES
from hwr_jax.models.trained import TrainedModel, require_known_encoder
from hwr_jax.strict import build_dataclass

# Names of a layer's arrays in our tree, in Keras's order. The shapes and the order of gates are the same.
AFFINE = ("kernel", "bias")
BIDIRECTIONAL = tuple(
    f"{direction}_{part}" for direction in ("forward", "backward") for part in ("kernel", "recurrent_kernel", "bias")
)

# Classes of the example besides the characters: 0 unknown, the last but one unused, the last the blank.
OTHER_CLASSES = 3

WEIGHTS_ALONE = "the file holds weights alone: activations, pooling, dropout and width are taken to be the example's"

Tree = dict[str, dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class KerasWeights:
    """The seed model's parameters, and what else a Keras file says."""

    config: ModelConfig  # of the model that the weights are for; its alphabet is not known
    num_classes: int  # of its output
    tree: Tree  # our parameters, float32
    notes: tuple[str, ...]  # what the file does not tell or what was not taken over, for people
    preprocessing: str | None  # how its images were preprocessed, None where the file does not tell
    horizontal_scale: float  # and drawn wider; 1 where it does not tell


def load_keras_weights(path: Path, width_px: int | None = None) -> KerasWeights:
    """Reads the seed model, of whatever sizes, with or without the layer for the loss, whatever its layers' names.

    The file is a `.keras` file, a `.weights.h5` file, or the `.h5` of Keras 2; `width_px` is of the images, where it
    does not tell (weights alone do not), None: 128, the example's. Raises InputError: no such file, a damaged one, or
    one of another model; the message names the layer.
    """
    file = read_keras_file(path)
    where = str(path)
    architecture = read_architecture(file.config, where) if file.config is not None else None
    convolutions, denses, lstms = _sort_layers(file.layers, where)
    if file.poolings and file.poolings != len(convolutions):
        found = count_of(convolutions, "convolution")
        raise InputError(f"{where}: {count_of(file.poolings, 'max pooling')} but {found} with weights")
    if architecture and (len(convolutions), len(lstms)) != (architecture.convolutions, architecture.lstms):
        raise InputError(
            f"{where}: describes {count_of(architecture.convolutions, 'convolution')} and "
            f"{count_of(architecture.lstms, 'LSTM')}, but holds weights of {len(convolutions)} and {len(lstms)}"
        )
    height_px = _check_chain(convolutions, denses, lstms, where)
    if architecture and architecture.height_px not in (None, height_px):
        raise InputError(
            f"{where}: images are {architecture.height_px} px high, but {denses[0].name} takes those of {height_px} px"
        )
    names = [f"Conv{number}" for number in range(1, len(convolutions) + 1)]
    names += ["dense1", *(f"bidirectional_{index}" if index else "bidirectional" for index in range(len(lstms)))]
    tree = {
        name: dict(zip(AFFINE if len(layer.arrays) == 2 else BIDIRECTIONAL, layer.arrays, strict=True))
        for name, layer in zip([*names, CLASSES], [*convolutions, denses[0], *lstms, denses[1]], strict=True)
    }
    try:
        config = ModelConfig(
            height_px=height_px,
            width_px=_width(architecture, width_px, where),
            conv_features=tuple(layer.arrays[0].shape[3] for layer in convolutions),
            dense_features=denses[0].arrays[0].shape[1],
            lstm_features=tuple(layer.arrays[0].shape[1] // 4 for layer in lstms),
            dropout=architecture.dropout if architecture else ModelConfig.dropout,
            lstm_dropout=architecture.lstm_dropout if architecture else ModelConfig.lstm_dropout,
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return KerasWeights(
        config=config,
        num_classes=denses[1].arrays[0].shape[1],
        tree=tree,
        notes=architecture.notes if architecture else (WEIGHTS_ALONE,),
        preprocessing=kind if (kind := file.about.get("preprocessing")) in ("keras", "word") else None,
        horizontal_scale=scale if isinstance(scale := file.about.get("horizontal_scale"), float) else 1.0,
    )


def sort_classes(tree: Tree, characters: str) -> tuple[Tree, str]:
    """Puts the classes of characters into code point order, as our alphabets are. The results stay the same exactly.

    The model's classes 1 .. n stand for `characters`, in their order. Returns the tree, and the characters in code
    point order. Raises InputError: the model has another number of classes; or a character comes twice.
    """
    num_classes = tree[CLASSES]["bias"].shape[0]
    if num_classes != len(characters) + OTHER_CLASSES:
        known = count_of(max(num_classes - OTHER_CLASSES, 0), "character")
        raise InputError(
            f"the model has {num_classes} classes, which is {known} (and "
            f"unknown, unused and blank); the alphabet has {len(characters)}"
        )
    if twice := sorted({c for c in characters if characters.count(c) > 1}):
        raise InputError(f"the alphabet has {' '.join(map(repr, twice))} more than once; each class is one character")
    order = sorted(range(len(characters)), key=lambda place: characters[place])
    columns = np.array([0, *(place + 1 for place in order), num_classes - 2, num_classes - 1])
    last = {name: array[..., columns] for name, array in tree[CLASSES].items()}
    return {**tree, CLASSES: last}, "".join(characters[place] for place in order)


def save_keras(model: TrainedModel, path: Path, terms: Mapping[str, Any] | None = None) -> None:
    """Writes a `.keras` file of plain layers that Keras loads and predicts with: images [B, W, H, 1] to probabilities.

    `terms` are JSON values on the data that the model comes from, kept in the file's hwr_jax.json.

    Raises InputError where Keras is not installed, the name does not end in .keras, or the model is of another stack or
    reads lines of any width; OSError where the file cannot be written.
    """
    require_known_encoder(model)
    config = build_dataclass(ModelConfig, model.config["model"], "model")
    if config.encoder != "keras":
        raise InputError(
            f"model {model.name}: its encoder is {config.encoder!r}; only 'keras' can be written for Keras"
        )
    if model.preprocessing.kind == "line":
        raise InputError(f"model {model.name}: reads lines of any width, which plain Keras layers cannot")
    if path.suffix != ".keras":
        raise InputError(f"{path}: Keras asks for a name that ends in .keras")
    keras_model = build_keras_model(config, model.alphabet.num_classes)
    for name, arrays in model.tree.items():
        order = AFFINE if set(arrays) == set(AFFINE) else BIDIRECTIONAL
        keras_model.get_layer(name).set_weights([np.asarray(arrays[part]) for part in order])
    with tempfile.TemporaryDirectory() as folder:
        keras_model.save(Path(folder) / "model.keras")
        size = model.preprocessing
        about = {"preprocessing": size.kind, "horizontal_scale": float(size.horizontal_scale), **(terms or {})}
        with zipfile.ZipFile(Path(folder) / "model.keras", "a") as archive:
            archive.writestr(ABOUT, json.dumps(about))
        write_bytes(path, (Path(folder) / "model.keras").read_bytes())


def _sort_layers(layers: Sequence[WeightedLayer], where: str) -> Sequence[list[WeightedLayer]]:
    """Convolutions, dense layers and LSTMs: told by their arrays, because names are anybody's choice."""
    kinds: dict[str, list[WeightedLayer]] = {"convolution": [], "dense": [], "LSTM": []}
    for layer in layers:
        kinds[_kind(layer, where)].append(layer)
    convolutions, denses, lstms = kinds.values()
    for kind, found in (("convolution", convolutions), ("bidirectional LSTM", lstms)):
        if not found:
            raise InputError(f"{where}: holds no {kind}; the seed model has at least one")
    if len(denses) != 2:
        names = ", ".join(layer.name for layer in denses)
        raise InputError(
            f"{where}: holds {count_of(denses, 'dense layer')} ({names or 'none'}); the seed model has two"
        )
    return convolutions, denses, lstms


def _kind(layer: WeightedLayer, where: str) -> str:
    ranks = [array.ndim for array in layer.arrays]
    if ranks == [4, 1]:
        return "convolution"
    if ranks == [2, 1]:
        return "dense"
    if ranks == [2, 2, 1] * 2:
        # An LSTM has four gates; other recurrent layers have fewer.
        kernels, recurrent_kernels = layer.arrays[::3], layer.arrays[1::3]
        if all(k.shape[1] == r.shape[1] == 4 * r.shape[0] for k, r in zip(kernels, recurrent_kernels, strict=True)):
            return "LSTM"
    raise InputError(
        f"{where}: layer {layer.name} has weights {_shapes(layer)}: it is neither a convolution, nor dense, nor a "
        "bidirectional LSTM with biases, which the seed model is made of"
    )


def _check_chain(
    convolutions: Sequence[WeightedLayer], denses: Sequence[WeightedLayer], lstms: Sequence[WeightedLayer], where: str
) -> int:
    """Checks that every layer takes what the one before it gives. Returns the height of the images."""
    channels = 1
    for layer in convolutions:
        features = layer.arrays[0].shape[3]
        _check_shapes(layer, [(3, 3, channels, features), (features,)], where)
        channels = features
    inputs, features = denses[0].arrays[0].shape
    if inputs % channels:
        raise InputError(f"{where}: layer {denses[0].name} takes {inputs} values a frame, no multiple of {channels}")
    _check_shapes(denses[0], [(inputs, features), (features,)], where)
    for layer in lstms:
        units = layer.arrays[1].shape[0]
        one = [(features, 4 * units), (units, 4 * units), (4 * units,)]
        _check_shapes(layer, one + one, where)
        features = 2 * units
    classes = denses[1].arrays[0].shape[1]
    _check_shapes(denses[1], [(features, classes), (classes,)], where)
    return inputs // channels * 2 ** len(convolutions)


def _check_shapes(layer: WeightedLayer, expected: Sequence[tuple[int, ...]], where: str) -> None:
    if [array.shape for array in layer.arrays] != list(expected):
        raise InputError(
            f"{where}: layer {layer.name} has weights {_shapes(layer)}; after the layer before it they would be "
            f"{', '.join(map(str, expected))}"
        )


def _width(architecture: Architecture | None, width_px: int | None, where: str) -> int:
    told = architecture.width_px if architecture else None
    if told and width_px and told != width_px:
        raise InputError(f"{where}: its images are {told} px wide, not {width_px}")
    return told or width_px or ModelConfig.width_px


def _shapes(layer: WeightedLayer) -> str:
    return ", ".join(str(array.shape) for array in layer.arrays)
