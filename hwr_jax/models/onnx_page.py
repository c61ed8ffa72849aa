"""A line finder's network as an ONNX model. There pages and maps are [B, C, H, W], and not [B, H, W, C]."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from hwr_jax.models.layers import ChannelNorm, Conv, Dense
from hwr_jax.models.onnx_graph import Graph, Port
from hwr_jax.models.onnx_layers import Parameters, Place, write_layer
from hwr_jax.models.page_network import CHANCES, MAP_NAMES, QUARTER_TURNS, SPLIT, Block, Pointwise
from hwr_jax.models.trained_network import TrainedNetwork, require_known_network
from hwr_jax.page_config import FIRST_STRIDE_PX, PageModelConfig

# The names of what goes in and comes out.
PAGES, SHOWN, MAPS, TURNS = "pages", "shown", "maps", "turns"


def build_page_onnx(trained: TrainedNetwork, metadata: Mapping[str, str], quantize: str = "none") -> Any:
    """The ModelProto of a line finder's network, which computes what `TrainedNetwork.program` does.

    "pages", uint8 [B, H, W], and "shown", float32 [B, 2], to "maps", float32 [B, 7, H / 2, W / 2], and "turns", float32
    [B, 4]; for any B, and any H and W that are multiples of the stride.

    Args:
      trained: with the package's own network.
      metadata: what the file is to say of it, kept as `metadata_props`.
      quantize: what weights are kept as, one of `quantized.QUANTIZATIONS`; all is computed in float32.

    Raises:
      InputError: onnx is not installed, or the network is one of your own.
    """
    require_known_network(trained)
    config, graph, tree = trained.experiment.model, Graph(quantize), jax.tree.map(np.asarray, trained.tree)
    place = Place(graph, config.stride_px, rows_first=True)
    white = np.array(255, np.float32)
    ink = graph.add("Sub", np.array(1, np.float32), graph.add("Div", graph.cast(PAGES, np.float32), white))
    x = graph.add("SpaceToDepth", graph.add("Unsqueeze", ink, np.array([1])), blocksize=FIRST_STRIDE_PX)
    deepest, x = _write_levels(place, x, config, tree)
    turns = write_layer(Dense(QUARTER_TURNS), place, _mean_of_shown(graph, deepest), tree["turns"])
    graph.add("Softmax", turns, axis=-1, output=TURNS)
    x = write_layer(ChannelNorm(rectified=True), place, x, tree["maps_norm"])
    x = write_layer(Pointwise(len(MAP_NAMES) * SPLIT**2), place, x, tree["maps"])
    x = graph.add("DepthToSpace", x, blocksize=SPLIT)
    logits, log_heights = (
        graph.add("Slice", x, np.array([start]), np.array([end]), np.array([1]))
        for start, end in ((0, len(CHANCES)), (len(CHANCES), len(MAP_NAMES)))
    )
    parts = graph.add("Sigmoid", logits), graph.add("Exp", log_heights)
    graph.add("Concat", *parts, axis=1, output=MAPS)
    inputs: dict[str, Port] = {PAGES: (np.uint8, ["batch", "height", "width"]), SHOWN: (np.float32, ["batch", 2])}
    outputs: dict[str, Port] = {
        MAPS: (np.float32, ["batch", len(MAP_NAMES), "map_height", "map_width"]),
        TURNS: (np.float32, ["batch", QUARTER_TURNS]),
    }
    return graph.build("line_finder", inputs, outputs, metadata)


def _write_levels(place: Place, x: str, config: PageModelConfig, tree: Parameters) -> tuple[str, str]:
    """The deepest level, and the first one when all levels below have been added to it."""
    add, features = place.graph.add, config.features
    x = write_layer(Conv(features[0], rectified=True), place, x, tree["stem"])
    seen = []
    for level, blocks in enumerate(config.blocks):
        if level:
            x = write_layer(ChannelNorm(rectified=True), place, x, tree[f"widen{level}_norm"])
            x = write_layer(Conv(features[level]), place, x, tree[f"widen{level}"])
            x = add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        x = _write_blocks(place, x, tree, f"down{level}", blocks)
        seen.append(x)
    for level in range(len(features) - 2, -1, -1):
        x = write_layer(Pointwise(features[level]), place, x, tree[f"narrow{level}"])
        x = add("Add", seen[level], _enlarge(place.graph, x))
        x = _write_blocks(place, x, tree, f"up{level}", config.up_blocks[level])
    return seen[-1], x


def _write_blocks(place: Place, x: str, tree: Parameters, name: str, count: int) -> str:
    for number in range(count):
        x = write_layer(Block(), place, x, tree[f"{name}_{number}"])
    return x


@write_layer.register
def _block(layer: Block, place: Place, x: str, parameters: Parameters) -> str:
    normal = write_layer(ChannelNorm(rectified=True), place, x, parameters["norm"])
    return place.graph.add("Add", x, write_layer(Conv(0), place, normal, parameters["conv"]))


@write_layer.register
def _pointwise(layer: Pointwise, place: Place, x: str, parameters: Parameters) -> str:
    kernel_FxCx1x1 = place.graph.add_weights(np.asarray(parameters["kernel"]).T[:, :, None, None], summed=(1, 2, 3))
    return place.graph.add("Conv", x, kernel_FxCx1x1, np.asarray(parameters["bias"]))


def _enlarge(graph: Graph, x: str) -> str:
    """Every point as a square of 2 x 2."""
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.add("Resize", x, "", np.array([1, 1, 2, 2], np.float32), **how)


def _mean_of_shown(graph: Graph, x: str) -> str:
    """[B, C]: the mean over the points that show the page."""
    add, shown = graph.add, ""
    for axis in (2, 3):
        size = add("Gather", add("Shape", x), np.array(axis))
        steps = graph.cast(add("Range", np.array(0), size, np.array(1)), np.float32)
        middles = add("Div", add("Add", steps, np.array(0.5, np.float32)), graph.cast(size, np.float32))
        # [B, 1, H, 1] of rows, [B, 1, 1, W] of columns
        middles = add("Unsqueeze", middles, np.array([0, 1, 5 - axis]))
        share = add("Unsqueeze", add("Gather", SHOWN, np.array(axis - 2), axis=1), np.array([1, 2, 3]))
        inside = graph.cast(add("Less", middles, share), np.float32)
        shown = add("Mul", shown, inside) if shown else inside
    total = add("ReduceSum", add("Mul", x, shown), np.array([2, 3]), keepdims=0)
    points = add("ReduceSum", shown, np.array([2, 3]), keepdims=0)
    return add("Div", total, add("Max", points, np.array(1, np.float32)))
