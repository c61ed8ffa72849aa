"""What a run is made of besides its data: parts from tables, which one may replace by one's own."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from hwr_jax.config import DataConfig, ExperimentConfig
from hwr_jax.config_files import ConfigFile
from hwr_jax.data.loading import load_split
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.data.source_images import SourceEffect
from hwr_jax.decoding.decoder import Decoder
from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import preprocessing_of
from hwr_jax.page_config import AnyConfig
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.augment import StepEffect, build_effects
from hwr_jax.training.losses import Loss, build_losses
from hwr_jax.training.tracker import OpenTracker

AT_VALIDATION, AT_END = "validation", "end"
_PACKAGE = __name__.partition(".")[0]


@dataclasses.dataclass(frozen=True)
class Evaluator:
    """A number to measure of a run beside its CER and WER.

    Attributes:
      measure: makes the number of an `hwr_jax.evaluation.evaluate.Evaluation`.
      data: which samples, by the name of prepared data; None: the run's own.
      split: of these data.
      decoder: a name ("greedy", "beam", or one of `Parts.decoders`), a file of settings, or an object with `decode`.
      when: "validation": whenever the run validates, logged as validation/NAME; or "end": with the best parameters
        after the last step, into evaluation/NAME.json of the run's folder.
    """

    measure: Callable[[Any], float]
    data: str | None = None
    split: str = "validation"
    decoder: str | Decoder = "greedy"
    when: str = AT_VALIDATION

    def __post_init__(self) -> None:
        if self.when not in (AT_VALIDATION, AT_END):
            raise InputError(f"evaluators: when is {self.when!r}, not {AT_VALIDATION!r} or {AT_END!r}")

    def load(self, config: ExperimentConfig) -> tuple[DataConfig, PreprocessedSamples]:
        """The samples, with the config of their data. InputError: they are not prepared, or there are none."""
        data = config.data.of(self.data)
        samples = load_split(data, self.split, preprocessing_of(config))
        if not len(samples):
            raise InputError(f"evaluators: data {data.name!r} have no samples in split {self.split!r}")
        return data, samples


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
      evaluators: by name, see `Evaluator`.
      decoders: by name, functions that build a decoder for an alphabet, beside those of
        `hwr_jax.decoding.settings.DECODERS`.
      trackers: by name, functions that open one, beside those of `training.trackers`, see `hwr_jax.training.tracker`.
    """

    losses: Mapping[str, Loss]
    encoder: Any = None
    augmentation: tuple[Any, ...] = ()
    evaluators: Mapping[str, Evaluator] = dataclasses.field(default_factory=dict)
    decoders: Mapping[str, Callable[[Alphabet], Decoder]] = dataclasses.field(default_factory=dict)
    trackers: Mapping[str, OpenTracker] = dataclasses.field(default_factory=dict)

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
    def own(self) -> dict[str, Any]:
        """What trains the model and is in no table of hwr_jax, as plain values: {"encoder": "MyEncoder"}."""
        losses = {name: loss.weight for name, loss in self.losses.items() if _is_own(loss.function)}
        effects = [type(effect).__name__ for effect in self.augmentation if _is_own(type(effect))]
        own = {"encoder": self.encoder and type(self.encoder).__name__, "losses": losses, "augmentation": effects}
        return {name: value for name, value in own.items() if value}


def _is_own(part: Any) -> bool:
    return str(getattr(part, "__module__", "")).partition(".")[0] != _PACKAGE


def describe_own(own: Mapping[str, Any]) -> str:
    """`Parts.own` for people."""
    named = ((kind, names if isinstance(names, str) else ", ".join(names)) for kind, names in own.items())
    return ", ".join(f"{kind} {name}" for kind, name in named) or "no parts of its own"


def parts_of_file(file: ConfigFile, config: AnyConfig) -> Parts | None:
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
