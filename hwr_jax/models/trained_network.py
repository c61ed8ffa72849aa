"""A trained line finder's network, in memory and as a small folder."""

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from hwr_jax.errors import InputError
from hwr_jax.ink.page_input import fit_page
from hwr_jax.layout.maps import PageMaps
from hwr_jax.models import ops
from hwr_jax.models.page_network import MAP_NAMES, PageNetwork
from hwr_jax.models.parameter_files import NPZ, find_parameters, read_parameters, write_parameters
from hwr_jax.models.recognizer import count_parameters
from hwr_jax.models.trained import PRETRAINED
from hwr_jax.nested import flatten, unflatten
from hwr_jax.page_config import LINE_FINDER, LINE_FINDER_FILE, MAP_STRIDE_PX, PageExperimentConfig, PageModelConfig
from hwr_jax.strict import build_dataclass

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A line finder's network with its parameters."""

    name: str  # for people
    config: Mapping[str, Any]  # the resolved config of its experiment, plain values
    tree: Any  # its parameters, nested dicts of arrays
    network: Any = None  # one of your own in place of the config's; None: `PageNetwork`
    # the jitted program (parameters, pages_BxHxW, shown_Bx2) -> (maps_Bx7xHxW, turns_Bx4): chances, heights in pixels
    # of the maps, and chances of the quarter turns
    program: Any = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        network = self.network or PageNetwork(self.experiment.model)

        def look(tree: Any, pages_BxHxW: Any, shown_Bx2: Any) -> Any:
            outputs: Any = network.apply({"params": tree}, pages_BxHxW, shown_Bx2)
            chances = jax.nn.sigmoid(outputs.logits_BxHxWx5)
            heights = jnp.exp(outputs.log_heights_BxHxWx2)
            maps = jnp.moveaxis(jnp.concatenate([chances, heights], axis=-1), -1, 1)
            return maps, jax.nn.softmax(outputs.turns_Bx4)

        # Set past the frozen dataclass: it is derived, and kept so that it compiles once a size.
        object.__setattr__(self, "program", jax.jit(look))

    @property
    def experiment(self) -> PageExperimentConfig:
        """Its experiment."""
        return build_dataclass(PageExperimentConfig, self.config)

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return count_parameters(self.tree)

    def look(self, page_HxW: UInt8[np.ndarray, "H W"]) -> tuple[PageMaps, np.ndarray]:
        """The maps of a page of any size, dark on light, and the chances of 0 .. 3 quarter turns, float32 [4].

        So many quarter turns counterclockwise bring it upright; the maps are of the page as it is.
        """
        ops.prepare_kernels()
        return look_with(functools.partial(self.program, self.tree), self.experiment.model, page_HxW)


def look_with(
    program: Callable[..., Any], model: PageModelConfig, page_HxW: UInt8[np.ndarray, "H W"]
) -> tuple[PageMaps, np.ndarray]:
    """`TrainedNetwork.look` by any program that computes what a network's does: (pages_BxHxW, shown_Bx2) to both."""
    fitted = fit_page(page_HxW, model.long_side_px, model.most_enlarged, model.stride_px)
    maps_1x7xHxW, turns_1x4 = program(fitted.page_HxW[None], np.array([fitted.shown_2], np.float32))
    height, width = (-(-side // MAP_STRIDE_PX) for side in (fitted.height_px, fitted.width_px))
    named = dict(zip(MAP_NAMES, np.asarray(maps_1x7xHxW)[0, :, :height, :width], strict=True))
    scale_x, scale_y = fitted.scale_2
    return (
        PageMaps(
            **{f"{name}_HxW": np.ascontiguousarray(values) for name, values in named.items()},
            scale_2=(scale_x * MAP_STRIDE_PX, scale_y * MAP_STRIDE_PX),
        ),
        np.asarray(turns_1x4)[0],
    )


def require_known_network(trained: TrainedNetwork) -> None:
    """Raises InputError: the network is one of your own, which nobody has without its code."""
    if trained.network is not None:
        raise InputError(f"line finder {trained.name}: its network {type(trained.network).__name__} is none of hwr_jax")


def save_network(trained: TrainedNetwork, folder: Path, about: Mapping[str, Any], format: str = NPZ) -> None:
    """Writes line_finder.json and the parameters, in float16, into the folder; `about` says where they come from.

    `format` is one of `hwr_jax.models.parameter_files`. Raises InputError: the network is one of your own, without
    which nobody could load it, or safetensors is not installed.
    """
    require_known_network(trained)
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: np.asarray(values, np.float16) for name, values in flatten(trained.tree, "/").items()}
    write_parameters(folder, half, format, str(about.get("licence", "")))
    description = {
        "format": FORMAT, "task": LINE_FINDER, "name": trained.name, "config": trained.config, "about": about
    }  # fmt: skip
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (folder / LINE_FINDER_FILE).write_text(text, encoding="utf-8")


def load_network(folder: Path) -> TrainedNetwork:
    """Reads a folder that `save_network` wrote.

    Raises InputError: a file is missing or damaged, or the parameters do not fit the config.
    """
    try:
        description = json.loads((folder / LINE_FINDER_FILE).read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise InputError(f"{folder}: line finder of format {description['format']}, not {FORMAT}, which is read")
        arrays = read_parameters(find_parameters(folder))
        tree = unflatten({name: np.asarray(values, np.float32) for name, values in arrays.items()}, "/")
        shipped = folder.parent == PRETRAINED
        return build_network(description["name"], description["config"], tree, str(folder), checked=shipped)
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib, json and others each have errors of their own for damaged files.
        raise InputError(f"{folder}: not a whole line finder ({' '.join(str(error).split())})") from error


def build_network(
    name: str, config: Mapping[str, Any], tree: Any, where: str, network: Any = None, *, checked: bool = False
) -> TrainedNetwork:
    """A trained network from what a checkpoint or a folder holds.

    Raises InputError: the parameters do not fit; if that is `checked` already, it is not done again, which takes as
    long as tracing the network.
    """
    trained = TrainedNetwork(name, config, jax.device_put(tree), network)
    if checked:
        return trained
    model = trained.experiment.model
    check_shapes(tree, network or PageNetwork(model), model.stride_px, where)
    return trained


def check_shapes(tree: Any, network: Any, stride_px: int, where: str) -> None:
    """Raises InputError where parameters do not fit a network; its page's sides are multiples of `stride_px`."""
    page = jax.ShapeDtypeStruct((1, stride_px, stride_px), jnp.uint8)
    expected = jax.eval_shape(network.init, jax.random.key(0), page)
    shapes = {path: leaf.shape for path, leaf in flatten(expected["params"], "/").items()}
    found = {path: leaf.shape for path, leaf in flatten(tree, "/").items()}
    for path in sorted(shapes.keys() | found.keys()):
        if shapes.get(path) != found.get(path):
            raise InputError(
                f"{where}: {path} is {found.get(path, 'missing')}, the config's network asks for "
                f"{shapes.get(path, 'none')}"
            )
