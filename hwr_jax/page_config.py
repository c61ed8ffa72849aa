"""The whole description of an experiment that trains a line finder, as frozen dataclasses. Nothing here imports jax."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

from ml_collections import ConfigDict

from hwr_jax.config import ExperimentConfig, OptimizerConfig, TrainingConfig, resolve_config
from hwr_jax.errors import InputError
from hwr_jax.strict import build_dataclass, check_choice, check_not_negative, check_positive

# Value of the field `task` of a config. Those of recognizers have no such field.
LINE_FINDER = "line_finder"
# What describes an exported line finder, beside its parameters.
LINE_FINDER_FILE = "line_finder.json"
# Pixels of the page a pixel of the network's first layer, and of the maps.
FIRST_STRIDE_PX, MAP_STRIDE_PX = 4, 2

_OPTIMIZER = OptimizerConfig(name="muon", schedule="linear", ema_decay=0.999)
_TRAINING = TrainingConfig(steps=1000)


@dataclasses.dataclass(frozen=True)
class PageDataConfig:
    """Which pages a run reads, and how they become batches."""

    # prepared sets of whole pages, of the formats "pages" and "synthetic_pages"
    names: tuple[str, ...] = ("pages",)
    # how often tiles come from each set, relative to each other (empty: as often as it has documents for training)
    weights: tuple[float, ...] = ()
    # documents whose names begin so are kept out of training and validation, and are of the test split
    test_only: tuple[str, ...] = ()
    data_dir: str = ""  # where prepared data lies ("": $HWR_JAX_DATA_DIR, or hwr_jax/data in the user's cache folder)
    tile_px: int = 640  # side of the squares that pages are trained on, in pixels of the network
    batch_size: int = 2  # tiles of a training step, over all devices and processes
    validation_pages: int = 0  # only so many of the validation split (0: all)
    workers: int = 0  # processes that make tiles (0: as many as there are cores)

    def __post_init__(self) -> None:
        check_positive("data", self, ("tile_px", "batch_size"))
        check_not_negative("data", self, ("validation_pages", "workers"))
        if not self.names or len({*self.names}) < len(self.names):
            raise InputError("data.names: give one or more prepared sets of pages, each once")
        if self.weights and (len(self.weights) != len(self.names) or min(self.weights) <= 0):
            raise InputError("data.weights: give a positive number for each of data.names, or none")


@dataclasses.dataclass(frozen=True)
class PageModelConfig:
    """The network's layers, see `hwr_jax.models.page_network`."""

    long_side_px: int = 1280  # pages are made so small that they are at most so long
    most_enlarged: float = 2.0  # smaller pages are made larger by at most this factor
    # of each level, from a quarter of the page's size on, each half as large as the one before
    features: tuple[int, ...] = (32, 64, 96, 128)
    blocks: tuple[int, ...] = (1, 1, 2, 3)  # of convolution on the way down, a level
    up_blocks: tuple[int, ...] = (1, 1, 1)  # on the way up, of all levels but the last

    def __post_init__(self) -> None:
        check_positive("model", self, ("long_side_px",))
        if not self.most_enlarged >= 1:
            raise InputError(f"model.most_enlarged: {self.most_enlarged} is below 1")
        if len(self.features) < 2 or min(self.features) < 1:
            raise InputError("model.features: give positive numbers for two levels or more")
        if len(self.blocks) != len(self.features) or len(self.up_blocks) != len(self.features) - 1:
            raise InputError("model: blocks has a number for each of features, and up_blocks one less")
        if min(*self.blocks, *self.up_blocks) < 0:
            raise InputError("model: a number of blocks is negative")

    @property
    def stride_px(self) -> int:
        """What the sides of a page must be multiples of; then every level has an even number of rows and columns."""
        return FIRST_STRIDE_PX * 2 ** len(self.features)


@dataclasses.dataclass(frozen=True)
class PageLossesConfig:
    """Weights of what is minimised, a sum; 0 leaves a term out. See `hwr_jax.training.page_losses`."""

    # cross-entropy of each map of chances, where it is known what is there
    core: float = 1.0
    baseline: float = 1.0
    starts: float = 0.5
    ends: float = 0.5
    separation: float = 0.5
    overlap: float = 0.5  # 1 minus the overlap (Dice) of cores and baselines with what is found
    heights: float = 0.5  # error of the logarithms of the heights above and below baselines
    turns: float = 0.1  # cross-entropy of the quarter turns

    def __post_init__(self) -> None:
        check_not_negative("losses", self, tuple(field.name for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True)
class PageAugmentConfig:
    """Strengths of what tiles are changed by; 0 leaves an effect out. See `hwr_jax.data.tiles` and `.tile_effects`."""

    scale: float = 1.6  # tiles are made smaller or larger by up to this factor (1: not at all)
    turn_degrees: float = 5.0  # turned by up to
    shear: float = 0.08  # sheared and stretched by up to
    curl: float = 0.02  # bent by up to this share of their side
    upright: float = 0.8  # share of the tiles that stand upright; others are turned by 90, 180 or 270 degrees
    contrast: float = 0.4  # how much weaker ink may become, 0 .. 1
    light: float = 0.4  # how much darker shadows make some of the paper, 0 .. 1
    blur_px: float = 1.2  # standard deviation of the blur, at most
    noise: float = 0.06  # standard deviation of the noise, at most, as a share of white
    jpeg: float = 0.3  # share of the tiles that are stored as JPEG in between
    frame: float = 0.1  # share of the tiles with the dark edge of a scanner or a table
    show_through: float = 0.0  # share of the tiles through which the writing on the other side is seen

    def __post_init__(self) -> None:
        check_not_negative("augment", self, tuple(field.name for field in dataclasses.fields(self)))
        if self.scale < 1:
            raise InputError(f"augment.scale: {self.scale} is below 1")
        for name in ("upright", "contrast", "light", "jpeg", "frame", "show_through"):
            if getattr(self, name) > 1:
                raise InputError(f"augment.{name}: {getattr(self, name)} is more than 1")


@dataclasses.dataclass(frozen=True)
class PageExperimentConfig:
    """All of an experiment with pages."""

    task: str = LINE_FINDER
    seed: int = 0  # of initialisation, data order and augmentation
    data: PageDataConfig = PageDataConfig()
    model: PageModelConfig = PageModelConfig()
    losses: PageLossesConfig = PageLossesConfig()
    optimizer: OptimizerConfig = _OPTIMIZER
    augment: PageAugmentConfig = PageAugmentConfig()
    training: TrainingConfig = _TRAINING

    def __post_init__(self) -> None:
        check_choice("task", self.task, (LINE_FINDER,))
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed: {self.seed} is not from 0 to 2**32 - 1")
        if self.data.tile_px % self.model.stride_px:
            raise InputError(
                f"data.tile_px: {self.data.tile_px} is not a multiple of {self.model.stride_px}, as the model's levels "
                "ask for"
            )
        if not self.training.steps:
            raise InputError("training.epochs: tiles are drawn at random, so there are no epochs; give training.steps")
        if self.training.steps_per_dispatch > 1 or self.training.example_metric:
            raise InputError("training: a line finder has steps_per_dispatch=1 and no example_metric")

    @property
    def samples_per_step(self) -> int:
        """Tiles of one step, over all devices and processes, and over all batches that it accumulates."""
        return self.data.batch_size * self.training.accumulate_batches

    def log_every_steps(self, total_steps: int) -> int:
        """Steps between two lines of metrics in a run of so many."""
        return self.training.log_every(total_steps)


AnyConfig: TypeAlias = ExperimentConfig | PageExperimentConfig


def default_page_config() -> ConfigDict:
    """The defaults of `PageExperimentConfig` for a config file to change; it takes no other fields."""
    return ConfigDict(dataclasses.asdict(PageExperimentConfig()), convert_dict=True)


def default_of(config: Mapping[str, Any]) -> AnyConfig:
    """All defaults of an experiment of the kind that a config, or its plain values, are of."""
    return PageExperimentConfig() if "task" in config else ExperimentConfig()


def resolve_any_config(config: ConfigDict) -> AnyConfig:
    """`hwr_jax.config.resolve_config` of a recognizer's config, and the same of a line finder's, which has a `task`.

    Raises InputError: an unknown field, or a value of the wrong type or range.
    """
    values = config.to_dict()
    return build_dataclass(PageExperimentConfig, values) if "task" in values else resolve_config(config)
