"""The blocks over frames, see `hwr_jax.models.blocks`, as nodes of an ONNX graph. Frames of features are [B, T, F]."""

import numpy as np

from hwr_jax.models.blocks import ConformerBlock, ConvolutionalBlock, angles_of_positions
from hwr_jax.models.onnx_graph import Graph
from hwr_jax.models.onnx_layers import Parameters, Place, write_layer

_EPSILON = 1e-6  # of flax.linen.LayerNorm
# Added to the products of what is outside; 0 after a softmax.
_FAR_BELOW = 1e30


def _convolve_frames(place: Place, x: str, kernel: np.ndarray) -> str:
    """As `hwr_jax.models.blocks.DepthwiseConv`."""
    kernel_KxF = np.asarray(kernel)
    add, half = place.graph.add, len(kernel_KxF) // 2
    x_BxFx1xT = add("Unsqueeze", add("Transpose", x, perm=[0, 2, 1]), np.array([2]))
    kernel_Fx1x1xK = place.graph.add_weights(kernel_KxF.T[:, None, None], summed=(1, 2, 3))
    y_BxFx1xT = add(
        "Conv", place.zero_outside(x_BxFx1xT), kernel_Fx1x1xK, pads=[0, half, 0, half], group=kernel_KxF.shape[1]
    )
    return add("Transpose", add("Squeeze", y_BxFx1xT, np.array([2])), perm=[0, 2, 1])


@write_layer.register
def _convolutional_block(layer: ConvolutionalBlock, place: Place, x: str, parameters: Parameters) -> str:
    graph = place.graph
    y = _convolve_frames(place, x, parameters["depthwise"]["kernel"])
    y = _gelu(graph, _dense(graph, _normalize(graph, y, parameters["norm"]), parameters["expand"]))
    return graph.add("Add", x, _dense(graph, y, parameters["project"]))


@write_layer.register
def _conformer_block(layer: ConformerBlock, place: Place, x: str, parameters: Parameters) -> str:
    graph = place.graph
    x = _feed_forward(graph, x, parameters, "1")
    x = graph.add("Add", x, _attend(place, x, parameters))
    x = graph.add("Add", x, _convolve(place, x, parameters))
    return _normalize(graph, _feed_forward(graph, x, parameters, "2"), parameters["norm"])


def _feed_forward(graph: Graph, x: str, parameters: Parameters, number: str) -> str:
    """Half of a feed-forward layer, added to what comes in."""
    norm, first, last = (parameters[f"feed_forward{number}_{part}"] for part in ("norm", "in", "out"))
    y = _dense(graph, _silu(graph, _dense(graph, _normalize(graph, x, norm), first)), last)
    return graph.add("Add", x, graph.add("Mul", y, _number(0.5)))


def _attend(place: Place, x: str, parameters: Parameters) -> str:
    graph, weights = place.graph, parameters["attention"]
    y = _normalize(graph, x, parameters["attention_norm"])
    query, key, value = (_heads(graph, y, weights[part]) for part in ("query", "key", "value"))
    size = np.asarray(weights["query"]["kernel"]).shape[2]
    turned = _turns(graph, x, size)
    query, key = (_turn(graph, heads, turned) for heads in (query, key))
    products = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
    products = graph.add("Mul", products, _number(size**-0.5))
    if mask := place.mask(products):  # [B, 1, 1, T], so that no frame looks at what is outside
        outside = graph.add("Sub", mask, _number(1.0))
        products = graph.add("Add", products, graph.add("Mul", outside, _number(_FAR_BELOW)))
    y_BxNxTxD = graph.add("MatMul", graph.add("Softmax", products, axis=-1), value)
    y = graph.add("Reshape", graph.add("Transpose", y_BxNxTxD, perm=[0, 2, 1, 3]), np.array([0, 0, -1]))
    kernel_NxDxF = np.asarray(weights["out"]["kernel"])
    out = {"kernel": kernel_NxDxF.reshape(-1, kernel_NxDxF.shape[2]), "bias": weights["out"]["bias"]}
    return _dense(graph, y, out)


def _heads(graph: Graph, x: str, parameters: Parameters) -> str:
    """[B, N, T, D]: the features of every head."""
    kernel_FxNxD = np.asarray(parameters["kernel"])
    features, heads, size = kernel_FxNxD.shape
    flat = {"kernel": kernel_FxNxD.reshape(features, -1), "bias": np.asarray(parameters["bias"]).reshape(-1)}
    y_BxTxNxD = graph.add("Reshape", _dense(graph, x, flat), np.array([0, 0, heads, size]))
    return graph.add("Transpose", y_BxTxNxD, perm=[0, 2, 1, 3])


def _turns(graph: Graph, x: str, size: int) -> tuple[str, str]:
    """Cosine and sine of every frame's angles, [T, D / 2], for a head's `size` of D features."""
    frames = graph.add("Gather", graph.add("Shape", x), np.array(1))
    positions_T = graph.cast(graph.add("Range", np.array(0), frames, np.array(1)), np.float32)
    positions_Tx1 = graph.add("Unsqueeze", positions_T, np.array([1]))
    angles = graph.add("Mul", positions_Tx1, np.asarray(angles_of_positions(size), np.float32)[None])
    return graph.add("Cos", angles), graph.add("Sin", angles)


def _turn(graph: Graph, x: str, turned: tuple[str, str]) -> str:
    """As `hwr_jax.models.blocks.turn_by_position`, of [B, N, T, D]."""
    cos, sin = turned
    half = graph.add("Shape", cos, start=1)
    a = graph.add("Slice", x, np.array([0]), half, np.array([-1]))
    b = graph.add("Slice", x, half, np.array([np.iinfo(np.int64).max]), np.array([-1]))
    first = graph.add("Sub", graph.add("Mul", a, cos), graph.add("Mul", b, sin))
    second = graph.add("Add", graph.add("Mul", a, sin), graph.add("Mul", b, cos))
    return graph.add("Concat", first, second, axis=-1)


def _convolve(place: Place, x: str, parameters: Parameters) -> str:
    graph = place.graph
    y = _dense(graph, _normalize(graph, x, parameters["convolution_norm"]), parameters["convolution_in"])
    features = np.asarray(parameters["convolution_in"]["bias"]).size // 2
    linear, gate = (
        graph.add("Slice", y, np.array([start]), np.array([start + features]), np.array([-1]))
        for start in (0, features)
    )
    y = graph.add("Mul", linear, graph.add("Sigmoid", gate))
    y = _convolve_frames(place, y, parameters["depthwise"]["kernel"])
    y = _silu(graph, _normalize(graph, y, parameters["depthwise_norm"]))
    return _dense(graph, y, parameters["convolution_out"])


def _normalize(graph: Graph, x: str, parameters: Parameters) -> str:
    scale_and_bias = (np.asarray(parameters[name]) for name in ("scale", "bias"))
    return graph.add("LayerNormalization", x, *scale_and_bias, axis=-1, epsilon=_EPSILON)


def _dense(graph: Graph, x: str, parameters: Parameters) -> str:
    kernel = graph.add_weights(np.asarray(parameters["kernel"]), summed=(0,))
    return graph.add("Add", graph.add("MatMul", x, kernel), np.asarray(parameters["bias"]))


def _silu(graph: Graph, x: str) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x))


def _gelu(graph: Graph, x: str) -> str:
    """As jax's, by the hyperbolic tangent (Hendrycks, Gimpel 2016)."""
    cubed = graph.add("Mul", graph.add("Mul", x, graph.add("Mul", x, x)), _number(0.044715))
    inner = graph.add("Mul", graph.add("Add", x, cubed), _number(np.sqrt(2 / np.pi)))
    gate = graph.add("Add", graph.add("Tanh", inner), _number(1.0))
    return graph.add("Mul", graph.add("Mul", x, gate), _number(0.5))


def _number(value: float) -> np.ndarray:
    return np.array(value, np.float32)
