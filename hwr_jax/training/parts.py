"""What a run is made of besides its data: parts from tables, which one may replace by one's own."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from hwr_jax.config import ExperimentConfig
from hwr_jax.config_files import ConfigFile
from hwr_jax.data.source_images import SourceEffect
from hwr_jax.errors import InputError
from hwr_jax.training.augment import StepEffect, build_effects
from hwr_jax.training.losses import Loss, build_losses


@dataclasses.dataclass(frozen=True)
class Parts:
    """The parts of a run. One's own: `dataclasses.replace(build_parts(config), encoder=MyEncoder())`.

    A config file gives its own by a function `parts(config)`; other programs by the argument `parts` of
    `hwr_jax.train`, `hwr_jax.evaluate` and `hwr_jax.load`.

    Attributes:
      losses: by name, see `hwr_jax.training.losses`; each is logged as train/NAME, their weighted sum as train/loss.
      encoder: a flax module, see `hwr_jax.models.encoders`; None: the one that `config.model` names.
      augmentation: effects, in their order: with `kind` "source" on the image as it was scanned or drawn, see
        `hwr_jax.data.source_images.SourceEffect`; with "step" inside the step, see
        `hwr_jax.training.augment.StepEffect`.
      evaluators: by name, functions of the validation split's `hwr_jax.evaluation.evaluate.Evaluation` that give a
        number, logged as validation/NAME.
    """

    losses: Mapping[str, Loss]
    encoder: Any = None
    augmentation: tuple[Any, ...] = ()
    evaluators: Mapping[str, Callable[[Any], float]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.losses:
            raise InputError("losses: all have weight 0, so there is nothing to minimise; give losses.ctc=1")
        for effect in self.augmentation:
            if getattr(effect, "kind", None) not in ("source", "step"):
                raise InputError(f"augmentation: {type(effect).__name__}.kind must be 'source' or 'step'")

    @property
    def step_effects(self) -> tuple[StepEffect, ...]:
        """Those inside the step."""
        return tuple(effect for effect in self.augmentation if effect.kind == "step")

    @property
    def source_effects(self) -> tuple[SourceEffect, ...]:
        """Those before preprocessing."""
        return tuple(effect for effect in self.augmentation if effect.kind == "source")

    def stride_px(self, config: ExperimentConfig) -> int:
        """Columns of an image a frame; InputError where that does not divide the images' width."""
        if self.encoder is None:
            return config.model.stride_px
        stride_px = int(self.encoder.stride_px)
        if config.model.width_px % stride_px:
            raise InputError(
                f"model.width_px: {config.model.width_px} is not a multiple of {stride_px}, the columns a frame of "
                f"{type(self.encoder).__name__}"
            )
        return stride_px

    @property
    def own(self) -> dict[str, str]:
        """What a model needs to be loaded that is in no table, by name: {"encoder": "MyEncoder"}."""
        return {} if self.encoder is None else {"encoder": type(self.encoder).__name__}


def parts_of_file(file: ConfigFile, config: ExperimentConfig) -> Parts | None:
    """What `parts(config)` of a config file gives; None where it has none. InputError if it fails."""
    if not file.has("parts"):
        return None
    parts = file.call("parts", config)
    if not isinstance(parts, Parts):
        raise InputError(f"config {file.name}: parts() returns {type(parts).__name__}, not hwr_jax's Parts")
    return parts


def build_parts(config: ExperimentConfig) -> Parts:
    """The parts that a config names."""
    return Parts(build_losses(config), augmentation=build_effects(config.augment))
