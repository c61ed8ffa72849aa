"""A line finder's network as ONNX, run by onnxruntime: the maps of the network itself, for pages of any size."""

import jax
import numpy as np
import pytest

from hwr_jax.errors import InputError
from hwr_jax.models.onnx_page import build_page_onnx
from hwr_jax.models.page_network import PageNetwork
from hwr_jax.models.trained_network import TrainedNetwork, build_network
from hwr_jax.page_config import PageExperimentConfig, PageModelConfig
from hwr_jax.strict import to_plain

pytest.importorskip("onnx", reason="onnx is not installed")
pytestmark = pytest.mark.usefixtures("quick_compilation")

SMALL = PageModelConfig(features=(4, 6, 8), blocks=(1, 2, 1), up_blocks=(1, 0))
# Batch, height and width
SIZES = ((1, 32, 64), (2, 96, 32), (3, 64, 64))


@pytest.fixture(scope="module")
def trained(request) -> TrainedNetwork:
    """With parameters at random, those of kernels that begin at zero too."""
    request.getfixturevalue("quick_compilation")
    random = np.random.default_rng(0)
    page = jax.ShapeDtypeStruct((1, 32, 32), np.uint8)
    shapes = jax.eval_shape(PageNetwork(SMALL).init, jax.random.key(0), page)["params"]
    tree = jax.tree.map(lambda leaf: 0.3 * random.normal(size=leaf.shape).astype(np.float32), shapes)
    return build_network("small", to_plain(PageExperimentConfig(model=SMALL)), tree, "here")


@pytest.mark.parametrize("quantize", ["none", "float16", "int8"])
def test_the_maps_are_those_of_the_network(trained, quantize, nearest_weights):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    content = build_page_onnx(trained, {}, quantize).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rounded = build_network("rounded", trained.config, nearest_weights(trained.tree, quantize), "here")
    random = np.random.default_rng(1)
    for batch, height, width in SIZES:
        pages = random.integers(0, 256, (batch, height, width)).astype(np.uint8)
        shown = random.uniform(0.3, 1, (batch, 2)).astype(np.float32)
        expected = rounded.program(rounded.tree, pages, shown)
        found = session.run(None, {"pages": pages, "shown": shown})
        assert [values.shape for values in found] == [(batch, 7, height // 2, width // 2), (batch, 4)]
        for values, known in zip(found, expected, strict=True):
            np.testing.assert_allclose(values, known, atol=1e-4, rtol=1e-4)


def test_sizes_are_left_open_and_the_metadata_kept(trained):
    proto = build_page_onnx(trained, {"name": "small", "licence": "für alle"})
    assert {node.domain for node in proto.graph.node} == {""}
    sizes = {
        port.name: [size.dim_param or size.dim_value for size in port.type.tensor_type.shape.dim]
        for port in (*proto.graph.input, *proto.graph.output)
    }
    assert sizes == {
        "pages": ["batch", "height", "width"],
        "shown": ["batch", 2],
        "maps": ["batch", 7, "map_height", "map_width"],
        "turns": ["batch", 4],
    }
    assert {one.key: one.value for one in proto.metadata_props} == {"name": "small", "licence": "für alle"}


def test_a_network_of_one_s_own_is_named(trained):
    own = TrainedNetwork("mine", trained.config, trained.tree, PageNetwork(SMALL))
    with pytest.raises(InputError, match="line finder mine: its network PageNetwork is none of hwr_jax"):
        build_page_onnx(own, {})
