"""The layers with weights that a Keras file holds, in order, and what Keras's description of the model says.

Needs h5py; Keras itself is not needed.
"""

import dataclasses
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwr_jax.errors import InputError

# More than any recognizer takes: what is larger is a mistake, or a file made to fill the memory.
MOST_BYTES = 1 << 30
MOST_JSON_BYTES = 1 << 24
MOST_OBJECTS = 10_000
DEEPEST = 30

# The member of a .keras file in which we say what Keras does not know; it leaves the member alone, and out of copies.
ABOUT = "hwr_jax.json"

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

# The group that holds a model's layers: of Keras 3 (and TensorFlow 2.16 on), and of Keras 2.12 to 2.15.
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")

AGAIN = "load it with the Keras that wrote it and save it anew with model.save('FILE.keras')"

# The layers that matter, one letter each; others may stand among them only where they change nothing when reading.
LETTERS = {"Conv2D": "c", "MaxPooling2D": "p", "Reshape": "r", "Dense": "d", "Bidirectional": "b"}
STACK = re.compile("(cp)+rdb+d")
IDLE = (
    "InputLayer",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
)

CONV: Mapping[str, Any] = {
    "kernel_size": [3, 3],
    "strides": [1, 1],
    "dilation_rate": [1, 1],
    "groups": 1,
    "padding": "same",
    "data_format": "channels_last",
    "activation": "relu",
    "use_bias": True,
}
POOL: Mapping[str, Any] = {"pool_size": [2, 2], "strides": [2, 2], "data_format": "channels_last"}
LSTM = {
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "use_bias": True,
    "return_sequences": True,
    "go_backwards": False,
}


@dataclasses.dataclass(frozen=True)
class WeightedLayer:
    """A layer's weights in Keras's order (of a Bidirectional those of the forward layer first), float32."""

    name: str  # in the file: the layer's own, or its class with a number
    arrays: tuple[np.ndarray, ...]


@dataclasses.dataclass(frozen=True)
class KerasFile:
    """What a file holds."""

    layers: tuple[WeightedLayer, ...]  # those with weights; layers of one kind are in the model's order
    poolings: int  # number of max poolings, 0 where the file does not tell
    config: Mapping[str, Any] | None  # the architecture as Keras describes it, None where only weights were saved
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # what `save_keras` adds, else empty


def read_keras_file(path: Path) -> KerasFile:
    """Reads a `.keras` file, a `.weights.h5` file or the older `.h5` of Keras 2. Optimizer variables are passed over.

    Nothing is unpacked to the disk, and nothing outside of the file is followed. Raises InputError: h5py is not
    installed; no such file; neither kind of file; or it is damaged or too large.
    """
    try:
        import h5py
    except ImportError as error:
        raise InputError("reading Keras files needs h5py: pip install 'hwr_jax[keras]'") from error

    content = _read_whole(path)
    try:
        config: Mapping[str, Any] | None = None
        about: Mapping[str, Any] = {}
        if zipfile.is_zipfile(io.BytesIO(content)):
            content, config, about = _unzip(content, path)
        if not content.startswith(HDF5_SIGNATURE):
            raise InputError(f"{path}: neither a .keras file nor HDF5 weights (.weights.h5 or .h5)")
        with h5py.File(io.BytesIO(content), "r") as file:
            return dataclasses.replace(_Weights(path, file).read(config), about=about)
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib, json and h5py each have errors of their own for damaged files.
        raise InputError(f"{path}: not a whole Keras file ({' '.join(str(error).split())})") from error


def _read_whole(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path}: a folder (a SavedModel?); {AGAIN}")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: larger than {MOST_BYTES:,} bytes: no recognizer of this kind")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error


def _unzip(content: bytes, path: Path) -> tuple[bytes, Mapping[str, Any], Mapping[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:

        def member(name: str, most_bytes: int) -> bytes:
            if name not in archive.namelist():
                raise InputError(f"{path}: a zip file without {name}, so not one that Keras wrote")
            with archive.open(name) as stream:
                # What the header says of the size is not believed.
                unpacked = stream.read(most_bytes + 1)
            if len(unpacked) > most_bytes:
                raise InputError(f"{path}: {name} is larger than {most_bytes:,} bytes")
            return unpacked

        config = json.loads(member("config.json", MOST_JSON_BYTES))
        if not isinstance(config, Mapping):
            raise InputError(f"{path}: config.json does not describe a model")
        about = json.loads(member(ABOUT, MOST_JSON_BYTES)) if ABOUT in archive.namelist() else {}
        return member("model.weights.h5", MOST_BYTES), config, about if isinstance(about, dict) else {}


class _Weights:
    """An open HDF5 file. Only hard links are followed and only arrays that lie in the file itself are read."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = file
        self._bytes = 0
        self._objects = 0

    def read(self, config: Mapping[str, Any] | None) -> KerasFile:
        """The layers, from whichever layout there is."""
        root = self._member(self._file, "model_weights") if "model_weights" in self._file else self._file
        if "layer_names" in root.attrs:
            if config is None and "model_config" in self._file.attrs:
                config = json.loads(_text(self._file.attrs["model_config"]))
            return KerasFile(self._read_keras_2(root), 0, config)
        layers, poolings = self._read_keras_3()
        return KerasFile(layers, poolings, config)

    def _read_keras_3(self) -> tuple[tuple[WeightedLayer, ...], int]:
        """Layers are stored as their class with a number, conv2d, conv2d_1 and so on, in the model's order."""
        models: dict[str, dict[str, list[tuple[str, int, Any]]]] = {}
        groups: dict[str, set[str]] = {}
        for name, item in self._walk(self._file, ""):
            # TensorFlow on Windows wrote backslashes.
            parts = name.replace("\\", "/").split("/")
            places = [place for place, part in enumerate(parts[:-1]) if part in CONTAINERS]
            if not places or parts[0] == "optimizer":
                continue
            container, layer, inner = "/".join(parts[: places[-1]]), parts[places[-1] + 1], parts[places[-1] + 2 :]
            groups.setdefault(container, set()).add(layer)
            if _is_group(item) or inner[-2:-1] != ["vars"] or "seed_generator" in inner:
                continue
            # "backward_layer" sorts before "forward_layer", which Keras counts first.
            where = "/".join(inner[:-2]).replace("forward_layer", "1").replace("backward_layer", "2")
            models.setdefault(container, {}).setdefault(layer, []).append((where, int(inner[-1]), item))
        if len(models) != 1:
            kind = "weights of several models" if models else "no weights of a Functional or Sequential model"
            raise InputError(f"{self._path}: {kind} in it; save the model that takes the image and gives the classes")
        [(container, found)] = models.items()
        self._check_numbers(found)
        layers = [
            WeightedLayer(
                layer, tuple(self._array(item, layer) for _, _, item in sorted(found[layer], key=lambda v: v[:2]))
            )
            for layer in sorted(found, key=_class_and_number)
        ]
        poolings = [layer for layer in groups[container] if _class_and_number(layer)[0] == "max_pooling2d"]
        return tuple(layers), len(poolings)

    def _check_numbers(self, layers: Mapping[str, Any]) -> None:
        """Keras 2.12 and 2.13 count a layer with weights twice, so the second convolution is conv2d_2."""
        found = sorted(map(_class_and_number, layers))
        kinds = [kind for kind, _ in found]
        places = [(kind, kinds[:index].count(kind), number) for index, (kind, number) in enumerate(found)]
        wrong = [[(kind, step * n, number) for kind, n, number in places if number != step * n] for step in (1, 2)]
        if all(wrong):
            kind, wanted, number = wrong[0][0]
            before = f"{kind}_{wanted}" if wanted else kind
            raise InputError(f"{self._path}: layer {before} is missing, though there is {kind}_{number}")

    def _read_keras_2(self, root: Any) -> tuple[WeightedLayer, ...]:
        """Layers are stored by their own names; attributes hold the order of layers and weights."""
        layers = []
        for name in map(_text, root.attrs["layer_names"]):
            group = self._member(root, name)
            weights = [_text(weight) for weight in group.attrs["weight_names"]]
            if len(set(weights)) != len(weights):
                raise InputError(f"{self._path}: layer {name} holds two weights of one name; {AGAIN}")
            arrays = tuple(self._array(self._member(group, weight), name) for weight in weights)
            if arrays:
                layers.append(WeightedLayer(name, arrays))
        return tuple(layers)

    def _walk(self, group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        for name in group:
            self._objects += 1
            if self._objects > MOST_OBJECTS or prefix.count("/") > DEEPEST:  # Hard links can go round in a circle.
                raise InputError(f"{self._path}: too many or too deep groups: no file of a recognizer")
            item = self._member(group, name)
            yield f"{prefix}{name}", item
            if _is_group(item):
                yield from self._walk(item, f"{prefix}{name}/")

    def _member(self, group: Any, name: str) -> Any:
        import h5py

        for part in name.split("/"):
            link = group.get(part, getlink=True)
            if link is None:
                raise InputError(f"{self._path}: {group.name.strip('/') or 'the root'} holds no {part}")
            if not isinstance(link, h5py.HardLink):
                raise InputError(f"{self._path}: {part} is a link to another place; Keras writes none")
            group = group[part]
        return group

    def _array(self, dataset: Any, layer: str) -> np.ndarray:
        if _is_group(dataset) or dataset.is_virtual or dataset.external:
            raise InputError(f"{self._path}: weights of layer {layer} lie outside of the file")
        if dataset.dtype.kind != "f":
            raise InputError(f"{self._path}: layer {layer} holds {dataset.dtype}, not floating point numbers")
        self._bytes += dataset.nbytes
        if self._bytes > MOST_BYTES:
            raise InputError(f"{self._path}: its arrays take more than {MOST_BYTES:,} bytes")
        array = dataset[()].astype(np.float32)
        if not np.isfinite(array).all():
            raise InputError(f"{self._path}: layer {layer} holds values that are not finite (a run that diverged?)")
        return array


def _is_group(item: Any) -> bool:
    return not hasattr(item, "dtype")


def _class_and_number(name: str) -> tuple[str, int]:
    """ "conv2d_10" is ("conv2d", 10), "conv2d" is ("conv2d", 0)."""
    match = re.fullmatch(r"(.*?)(?:_(\d+))?", name)
    return (match[1], int(match[2] or 0)) if match else (name, 0)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What config.json of a `.keras` file says."""

    width_px: int | None  # of the input; None where Keras leaves it open, as for the height
    height_px: int | None
    convolutions: int  # how many
    lstms: int
    dropout: float  # rate after the dense layer
    lstm_dropout: float  # rate on the input of the LSTMs
    notes: tuple[str, ...]  # what is not taken over, for people; it concerns training alone


def read_architecture(config: Mapping[str, Any], where: str) -> Architecture | None:
    """What config.json of a `.keras` file says; None for a model whose layers it does not list.

    Raises InputError: the layers are others than ours, or compute something else, so that the weights alone would be
    read as a model that gives other results.
    """
    layers = list(_layers(config))
    if not layers:
        return None
    last = max((place for place, (kind, _) in enumerate(layers) if kind == "Dense"), default=-1)
    # What follows the classes is the CTC loss or a softmax.
    layers = layers[: last + 1]
    _check_order([kind for kind, _ in layers], where)
    dense = [values for kind, values in layers if kind == "Dense"]
    lstms = [_check_lstm(values, where) for kind, values in layers if kind == "Bidirectional"]
    for kind, values in layers:
        _check(values, {"Conv2D": CONV, "MaxPooling2D": POOL}.get(kind, {}), where)
    _check(dense[0], {"activation": "relu", "use_bias": True}, where)
    if dense[-1].get("activation") not in (None, "linear", "softmax", "log_softmax"):
        _check(dense[-1], {"activation": "softmax"}, where)
    _check(dense[-1], {"use_bias": True}, where)
    width, height = _input_size(layers, where)
    frames = next(values.get("target_shape", [-1])[0] for kind, values in layers if kind == "Reshape")
    convolutions = sum(kind == "Conv2D" for kind, _ in layers)
    if frames != -1 and width is not None and frames != width // 2**convolutions:
        raise InputError(f"{where}: Reshape makes {frames} frames of {width} columns, not {width // 2**convolutions}")
    dropout, lstm_dropout, notes = _dropouts(layers, lstms)
    return Architecture(width, height, convolutions, len(lstms), dropout, lstm_dropout, notes)


def _layers(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Class and config of every layer; those of a model inside the model in its place."""
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, Mapping) else None
    for layer in layers if isinstance(layers, list) else []:
        if isinstance(layer.get("config"), Mapping) and "layers" in layer["config"]:
            yield from _layers(layer)
        else:
            yield str(layer.get("class_name")), layer.get("config") or {}


def _check_order(kinds: Sequence[str], where: str) -> None:
    for kind in kinds:
        if kind not in LETTERS and kind not in IDLE:
            raise InputError(f"{where}: the layer {kind} is none of the seed model's ({', '.join(LETTERS)}, Dropout)")
    if not STACK.fullmatch("".join(LETTERS.get(kind, "") for kind in kinds)):
        weighty = " ".join(kind for kind in kinds if kind in LETTERS)
        raise InputError(
            f"{where}: the layers are {weighty or 'none'}; the seed model's are Conv2D MaxPooling2D (once or more), "
            "Reshape, Dense, Bidirectional (once or more), Dense"
        )


def _check(values: Mapping[str, Any], wanted: Mapping[str, Any], where: str) -> None:
    for name, right in wanted.items():
        value = values.get(name, right)
        if (list(value) if isinstance(value, tuple) else value) != right:
            raise InputError(f"{where}: layer {values.get('name')} has {name}={value!r}, the seed model {right!r}")


def _check_lstm(values: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    _check(values, {"merge_mode": "concat"}, where)
    forward = values.get("layer") or {}
    if forward.get("class_name") != "LSTM":
        raise InputError(f"{where}: layer {values.get('name')} holds a {forward.get('class_name')}, not an LSTM")
    _check(forward["config"], LSTM, where)
    if backward := values.get("backward_layer"):
        _check(backward.get("config", {}), {**LSTM, "go_backwards": True}, where)
    return forward["config"]


def _input_size(layers: Sequence[tuple[str, Mapping[str, Any]]], where: str) -> tuple[int | None, int | None]:
    for kind, values in layers:
        shape = values.get("batch_shape") or values.get("batch_input_shape") or []
        if kind == "InputLayer" and len(shape) == 4:
            if shape[3] != 1:
                raise InputError(f"{where}: images have {shape[3]} channels, the seed model's one (grey)")
            return shape[1], shape[2]
    return None, None


def _dropouts(
    layers: Sequence[tuple[str, Mapping[str, Any]]], lstms: Sequence[Mapping[str, Any]]
) -> tuple[float, float, tuple[str, ...]]:
    rate, notes = 0.0, []
    before = ""
    for kind, values in layers:
        if kind == "Dropout" and before == "d":
            rate = float(values.get("rate", 0.0))
        elif kind in IDLE and kind != "InputLayer":
            notes.append(f"layer {values.get('name')} ({kind}) is left out")
        before = LETTERS.get(kind, "")
    rates = [float(values.get("dropout", 0.0)) for values in lstms]
    if len(set(rates)) > 1:
        notes.append(f"the LSTMs have dropout {', '.join(map(str, rates))}; all get {rates[0]}")
    if any(values.get("recurrent_dropout") for values in lstms):
        notes.append("recurrent dropout of the LSTMs is left out")
    return rate, rates[0], tuple(notes)
