"""An ONNX graph as it is written: nodes, constants, and weights as float32, float16 or int8. Needs the package onnx."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from jax.typing import DTypeLike

from hwr_jax.errors import InputError
from hwr_jax.models.quantized import quantize_int8

# Of 2022, so that older readers have its operators too.
OPSET, IR_VERSION = 17, 8

# A value that goes into a graph or comes out: its type and its dimensions, those of any size by name.
Port: TypeAlias = tuple[DTypeLike, Sequence[int | str]]


def import_onnx() -> Any:
    """The module `onnx`. Raises InputError: it is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise InputError("writing ONNX files needs onnx: pip install 'hwr_jax[onnx]'") from error
    return onnx


class Graph:
    """Nodes that are added one after the other. Values go by their names."""

    def __init__(self, quantize: str = "none") -> None:
        """Weights are kept as `quantize` says, one of `quantized.QUANTIZATIONS`.

        Raises InputError: onnx is not installed.
        """
        self._onnx, self._quantize = import_onnx(), quantize
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, operator: str, *inputs: str | np.ndarray, output: str = "", **attributes: Any) -> str:
        """Adds a node with one output and returns the output's name. Arrays become constants."""
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        output = output or f"{operator}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, names, [output], **attributes))
        return output

    def cast(self, value: str | np.ndarray, dtype: DTypeLike) -> str:
        """Adds a change of type."""
        return self.add("Cast", value, to=self._type(dtype))

    def add_weights(self, weights: np.ndarray, summed: tuple[int, ...]) -> str:
        """Adds weights, of which products sum over the axes `summed`, and returns the name of them in float32."""
        if self._quantize == "none":
            return self._constant(weights)
        if self._quantize == "float16":
            return self.cast(weights.astype(np.float16), np.float32)
        numbers, scales = quantize_int8(weights, summed)
        return self.add("Mul", self.cast(numbers, np.float32), scales)

    def build(
        self, name: str, inputs: Mapping[str, Port], outputs: Mapping[str, Port], metadata: Mapping[str, str]
    ) -> Any:
        """The ModelProto, checked, whose graph takes and gives the values of these names; with its metadata."""
        helper = self._onnx.helper
        ends = (
            [helper.make_tensor_value_info(name, self._type(dtype), sizes) for name, (dtype, sizes) in ports.items()]
            for ports in (inputs, outputs)
        )
        graph = helper.make_graph(self._nodes, name, *ends, initializer=self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        self._onnx.checker.check_model(model, full_check=True)
        for key, value in metadata.items():
            model.metadata_props.add(key=key, value=value)
        return model

    def _constant(self, values: np.ndarray) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def _type(self, dtype: DTypeLike) -> int:
        return self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
