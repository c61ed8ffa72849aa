"""The line finder: a trained network with what makes lines of its maps."""

import dataclasses
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from hwr_jax.errors import InputError
from hwr_jax.hub import is_address, pull
from hwr_jax.layout.lines import find_lines
from hwr_jax.layout.maps import PageMaps
from hwr_jax.layout.order import arrange_lines
from hwr_jax.layout.page_layout import PageLayout, Region, TextLine
from hwr_jax.models.trained import PRETRAINED
from hwr_jax.models.trained_network import TrainedNetwork, build_network, load_network
from hwr_jax.page_config import LINE_FINDER_FILE

DEFAULT = "page_lines"
# How sure the network must be that a page stands upright, at first sight and at last.
_SURE, _LEAST = 0.9, 0.5


@runtime_checkable
class MapMaker(Protocol):
    """What makes maps of pages, as `TrainedNetwork` does."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def look(self, page_HxW: UInt8[np.ndarray, "H W"]) -> tuple[PageMaps, np.ndarray]:
        """See `TrainedNetwork.look`."""
        ...


@dataclasses.dataclass(frozen=True)
class LineFinder:
    """Finds the lines of pages."""

    trained: MapMaker

    @property
    def name(self) -> str:
        """Of its network, for people."""
        return self.trained.name

    def find(self, page_HxW: UInt8[np.ndarray, "H W"]) -> PageLayout:
        """The lines of a page of any size, dark on light, in reading order.

        A page that seems to lie on its side or upside down is turned first; its lines are given where they are on the
        page as it came. A page without writing has none, and lies as it came.
        """
        turns, maps = self._look_upright(page_HxW)
        lines, regions = arrange_lines(find_lines(maps))
        turns = turns if lines else 0
        height, width = page_HxW.shape
        return PageLayout(
            width,
            height,
            tuple(_turn_line_back(line, turns, width, height) for line in lines),
            tuple(Region(turn_back(region.outline_Nx2, turns, width, height)) for region in regions),
            turns,
        )

    def _look_upright(self, page_HxW: UInt8[np.ndarray, "H W"]) -> tuple[int, PageMaps]:
        """How many quarter turns bring the page upright, and its maps then.

        Where the first look is not sure that it stands upright, the network sees it turned every way, and what it says
        each time counts alike.
        """
        looks = [self.trained.look(page_HxW)]
        if looks[0][1][0] >= _SURE:
            return 0, looks[0][0]
        looks += [self.trained.look(np.ascontiguousarray(np.rot90(page_HxW, turned))) for turned in range(1, 4)]
        said_4 = sum(np.log(np.roll(turns_4, turned) + 1e-6) for turned, (_, turns_4) in enumerate(looks))
        turns = int(np.argmax(said_4))
        if looks[turns][1][0] < _LEAST:
            turns = 0
        return turns, looks[turns][0]


def _turn_line_back(line: TextLine, turns: int, width: int, height: int) -> TextLine:
    outline, baseline = (turn_back(part, turns, width, height) for part in (line.outline_Nx2, line.baseline_Mx2))
    return dataclasses.replace(line, outline_Nx2=outline, baseline_Mx2=baseline)


def turn_back(points_Nx2: Float[np.ndarray, "N 2"], turns: int, width: int, height: int) -> Float[np.ndarray, "N 2"]:
    """Points of a page turned counterclockwise by `turns` quarters where they are on the page as it was.

    `width` and `height` are those of the page as it was.
    """
    x_N, y_N = points_Nx2.T
    back = {0: (x_N, y_N), 1: (width - y_N, x_N), 2: (width - x_N, height - y_N), 3: (y_N, height - x_N)}
    return np.stack(back[turns], axis=1)


def is_line_finder(name_or_path: str) -> bool:
    """Whether that is a line finder: of the package, of a hub, an exported folder, or a run."""
    from hwr_jax.evaluation.run_files import read_json_if_whole

    folder = find_folder(name_or_path)
    if (folder / LINE_FINDER_FILE).exists():
        return True
    return not is_address(name_or_path) and "task" in read_json_if_whole(folder / "config.json")


def find_folder(name: str) -> Path:
    """The folder of what comes with the package or from a hub's address, which is fetched; else `name` is its path."""
    if is_address(name):
        return pull(name)
    shipped = PRETRAINED / name
    return shipped if "/" not in name and (shipped / LINE_FINDER_FILE).exists() else Path(name)


def load_line_finder(name_or_run: str | None = None) -> LineFinder:
    """A line finder: the one that comes with the package, or that of a hub's address ("hf://OWNER/NAME"), which is
    fetched, of a folder, or of a run, from its best checkpoint.

    Raises InputError: there is no such line finder, or it is damaged.
    """
    return LineFinder(load_trained_network(name_or_run or DEFAULT))


def load_trained_network(name: str) -> TrainedNetwork:
    """The network of a line finder, named as `load_line_finder` takes it, which says what is raised."""
    folder = find_folder(name)
    if is_address(name) or (folder / LINE_FINDER_FILE).exists():
        return load_network(folder)
    if (folder / "checkpoints").is_dir():
        return load_network_of_run(folder)
    raise InputError(
        f"line finder {name!r}: neither {DEFAULT}, which comes with the package, nor an exported folder, nor the "
        "workdir of a run"
    )


def load_network_of_run(workdir: Path, checkpoint: str = "best") -> TrainedNetwork:
    """The network of a run, from its "best" checkpoint (lowest validation loss) or the "latest".

    Raises InputError: there is no whole checkpoint, or it is of a recognizer.
    """
    from hwr_jax.training.checkpoint import Checkpoints, evaluated_of_saved
    from hwr_jax.training.line_finding import LOSS

    checkpoints = Checkpoints(workdir / "checkpoints", writable=False, metric=LOSS.name)
    restored = checkpoints.restore(checkpoint)
    checkpoints.close()
    config = restored.about["config"]
    if "task" not in config:
        raise InputError(f"{workdir}: is the run of a recognizer, not of a line finder")
    if restored.about.get("parts"):
        raise InputError(f"{workdir}: was trained with parts of its own, which no folder holds")
    name = f"{workdir.resolve().name}@{restored.step}"
    return build_network(name, config, evaluated_of_saved(restored.state), str(workdir))
