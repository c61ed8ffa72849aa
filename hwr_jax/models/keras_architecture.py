"""What Keras's own description of a model says beside its weights, and whether it is the stack that we compute."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hwr_jax.errors import InputError

# The layers that matter, one letter each; others may stand among them only where they change nothing when reading.
LETTERS = {"Conv2D": "c", "MaxPooling2D": "p", "Reshape": "r", "Dense": "d", "Bidirectional": "b"}
STACK = re.compile("(cp)+rdb+d")
IDLE_WHEN_READING = (
    "InputLayer",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
)

CONV = {
    "kernel_size": [3, 3],
    "strides": [1, 1],
    "dilation_rate": [1, 1],
    "groups": 1,
    "padding": "same",
    "data_format": "channels_last",
    "activation": "relu",
    "use_bias": True,
}
POOL = {"pool_size": [2, 2], "strides": [2, 2], "data_format": "channels_last"}
LSTM = {
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "use_bias": True,
    "return_sequences": True,
    "go_backwards": False,
}


@dataclasses.dataclass(frozen=True)
class Architecture:
    """Attributes:
    width_px, height_px: of the input, None where Keras leaves it open.
    convolutions, lstms: numbers of them.
    dropout: rate after the dense layer.
    lstm_dropout: rate on the input of the LSTMs.
    notes: what is not taken over, for people. It concerns training alone.
    """

    width_px: int | None
    height_px: int | None
    convolutions: int
    lstms: int
    dropout: float
    lstm_dropout: float
    notes: tuple[str, ...]


def read_architecture(config: Mapping[str, Any], where: str) -> Architecture | None:
    """What config.json of a `.keras` file says; None for a model whose layers it does not list.

    Raises:
      InputError: the layers are others than ours, or compute something else, so that the weights alone would be
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
        for wanted_kind, wanted in (("Conv2D", CONV), ("MaxPooling2D", POOL)):
            if kind == wanted_kind:
                _check(values, wanted, where)
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
        if kind not in LETTERS and kind not in IDLE_WHEN_READING:
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
        elif kind in IDLE_WHEN_READING and kind != "InputLayer":
            notes.append(f"layer {values.get('name')} ({kind}) is left out")
        before = LETTERS.get(kind, "")
    rates = [float(values.get("dropout", 0.0)) for values in lstms]
    if len(set(rates)) > 1:
        notes.append(f"the LSTMs have dropout {', '.join(map(str, rates))}; all get {rates[0]}")
    if any(values.get("recurrent_dropout") for values in lstms):
        notes.append("recurrent dropout of the LSTMs is left out")
    return rate, rates[0], tuple(notes)
