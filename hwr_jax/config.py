"""The whole description of an experiment, as frozen dataclasses. Nothing here imports jax."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from hwr_jax.errors import InputError
from hwr_jax.mixture_config import MixtureSource, check_mixture
from hwr_jax.model_config import ModelConfig
from hwr_jax.nested import flatten
from hwr_jax.renames import FIELDS
from hwr_jax.strict import build_dataclass, check_choice, check_not_negative, check_positive

PREPROCESSINGS = ("word", "keras", "line")
OUTSIDE_ALPHABET = ("drop", "keep")
OPTIMIZERS = ("adam", "adamw", "muon", "muon_by_gate", "keras_adam")
SCHEDULES = ("constant", "linear", "cosine")
PARALLEL = ("auto", "jit", "pmap", "mesh")
ON_DEVICE = ("auto", "yes", "no")

# A letter four times as wide as it is, or a quarter of it, is a slip of the pen.
MIN_HORIZONTAL_SCALE, MAX_HORIZONTAL_SCALE = 0.25, 4.0


def is_zero(number: Any) -> bool:
    """Whether a number is known to be 0. A traced one is not: it can be 0 in one of several runs in one program."""
    return isinstance(number, int | float) and number == 0


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What a run reads, and how it becomes batches."""

    # of the data set, one of `hwr_jax.data.formats.table.FORMATS`, or such a name, a slash and your own
    # ("manifest/letters")
    name: str = "synthetic"
    # several prepared sets at once, each under a name that tables and flags call it by; then `name` is "mixture", or
    # "mixture/" and a name of your own, and `source` and `split` are not used, see `hwr_jax.data.mixture`
    mixture: Mapping[str, MixtureSource] = dataclasses.field(default_factory=dict, hash=False)
    # the raw tree or archive to prepare it from when that has not been done yet ("" if prepared or synthetic)
    source: str = ""
    data_dir: str = ""  # where prepared data lies ("": $HWR_JAX_DATA_DIR, or hwr_jax/data in the user's cache folder)
    # "writer" (no writer in two splits), "few_writers" (likewise, with the sizes of a small set), "page" and "line"
    # (the same writers in all splits), "auto" (the first of these that leaves no split empty or tiny), "keras_example"
    # (the example's shuffle by seed 42, which mixes writers), "given" (as the source says, where it does), or the path
    # of a folder with lists of ids; see `hwr_jax.data.splits` and `hwr_jax.data.small_sets`
    split: str = "auto"
    # cut labels that hold spaces to what follows the last one, as the Keras example does
    last_token_labels: bool = False
    casefold: bool = False  # labels in small letters
    plain_marks: bool = False  # straight quotes and hyphens in labels for typographic quotes and dashes
    # what becomes of training samples with characters outside the alphabet: "drop" leaves them out and counts them,
    # "keep" has the model read those characters as class 0, unknown, which stands for nothing in a text
    outside_alphabet: str = "drop"
    # how images become the model's input, see `hwr_jax.ink.model_input.Preprocessing`. With "line" the model's frames
    # follow the width of the ink, so `model.width_px` is only the most there can be.
    preprocessing: str = "word"
    # images are drawn so many times as wide as they are, so that a letter takes more frames
    horizontal_scale: float = 1.0
    # with "line", training batches are cut to one of so many widths, each of which is compiled once; a batch holds
    # images of like width. 0: one for every 128 samples, at most 8
    width_buckets: int = 0
    # with "line", batches of so many first epochs come from the narrowest images to the widest (SortaGrad, Amodei et
    # al. 2016)
    narrow_first_epochs: int = 0
    # a new order every epoch; False keeps the split's own order, with a short batch at the end of each epoch
    reshuffle: bool = True
    # samples of a batch, over all devices and processes; a training step takes `training.accumulate_batches` of them
    batch_size: int = 64
    evaluation_batch_size: int = 256  # samples of an evaluation batch
    # "yes" keeps the training samples on the device (every device has all, as bytes), "no" sends each batch; "auto":
    # yes if they take at most half of its memory, and it is not a CPU or runs several steps in one program
    on_device: str = "auto"
    training_samples: int = 0  # use only the first so many training samples of the shuffled order (0: all)
    validation_samples: int = 0  # likewise for validation while training (0: all); the final evaluation uses all
    # size of the synthetic data set
    writers: int = 200
    words_per_writer: int = 60
    workers: int = 0  # processes that prepare and fit (0: as many as there are cores)

    def __post_init__(self) -> None:
        check_positive("data", self, ("batch_size", "evaluation_batch_size", "writers", "words_per_writer"))
        counts = ("training_samples", "validation_samples", "workers", "narrow_first_epochs", "width_buckets")
        check_not_negative("data", self, counts)
        check_choice("data.preprocessing", self.preprocessing, PREPROCESSINGS)
        if not MIN_HORIZONTAL_SCALE <= self.horizontal_scale <= MAX_HORIZONTAL_SCALE:
            raise InputError(
                f"data.horizontal_scale: {self.horizontal_scale} is not from "
                f"{MIN_HORIZONTAL_SCALE} to {MAX_HORIZONTAL_SCALE}"
            )
        if self.preprocessing == "keras" and self.horizontal_scale != 1:
            raise InputError(
                "data.horizontal_scale: the Keras example's preprocessing keeps the aspect ratio; leave it at 1.0"
            )
        if self.preprocessing != "line" and self.narrow_first_epochs:
            raise InputError(
                "data.narrow_first_epochs: only images of data.preprocessing=line differ in width; leave it at 0"
            )
        check_mixture(self.name, self.mixture)
        if self.mixture and not self.reshuffle:
            raise InputError("data.reshuffle: with data.mixture it must be True")
        check_choice("data.outside_alphabet", self.outside_alphabet, OUTSIDE_ALPHABET)
        check_choice("data.on_device", self.on_device, ON_DEVICE)

    def of(self, name: str | None) -> "DataConfig":
        """The config of other data with images and labels of the same forms, split as usual; of the same data itself.

        Of a mixture's set, which may be called by its name in the mixture, as the mixture splits it.
        """
        if name in (None, self.name):
            return self
        for key, source in self.mixture.items():
            if name in (key, source.name):
                return self.of_source(key)
        labels = ("casefold", "plain_marks", "outside_alphabet")
        kept = (*labels, "preprocessing", "horizontal_scale", "data_dir", "workers")
        return DataConfig(name=str(name), **{field: getattr(self, field) for field in kept})

    def of_source(self, key: str) -> "DataConfig":
        """The config of one data set of the mixture, as a run on that alone has it."""
        source = self.mixture[key]
        forms = {
            name: getattr(self, name) or getattr(source, name)
            for name in ("last_token_labels", "casefold", "plain_marks")
        }
        return dataclasses.replace(self, mixture={}, name=source.name, source="", split=source.split, **forms)


@dataclasses.dataclass(frozen=True)
class LossesConfig:
    """Weights of what is minimised, a sum; 0 leaves a term out. See `hwr_jax.training.losses.LOSSES`."""

    ctc: float = 1.0  # connectionist temporal classification
    keras_ctc: float = 0.0  # the Keras example's, which takes log(softmax + 1e-7) for logits
    shortcut: float = 0.1  # CTC of what `model.shortcut` reads
    smoothing: float = 0.0  # the frames' divergence from even chances

    def __post_init__(self) -> None:
        check_not_negative("losses", self, tuple(field.name for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How the parameters change."""

    # "adam" (Kingma and Ba 2015), "adamw" (Loshchilov and Hutter 2019), "muon" (Jordan et al. 2024: updates of kernels
    # are made orthogonal; biases and classifiers by Nadam, Dozat 2016), "muon_by_gate" (each gate's part of an LSTM's
    # kernel by itself) or "keras_adam", where epsilon weighs more in the first steps, see
    # `hwr_jax.training.optimizer.scale_by_keras_adam`
    name: str = "adamw"
    learning_rate: float = 1e-3  # the highest of the schedule
    schedule: str = "cosine"  # from the warm-up's end to the last step "constant", or "linear" or "cosine" down to zero
    warmup_steps: int = 0  # linear rise from zero
    weight_decay: float = 0.0  # of adamw and muon; kernels only, biases are left alone, as muon leaves classifiers
    # added to the root of the second moment (Keras's default is 1e-7); muon has optax's own, 1e-8
    epsilon: float = 1e-7
    clip_norm: float = 0.0  # gradients of a larger global norm are scaled down to it (0: never)
    # what is evaluated and kept is a moving average of the parameters, of which a step leaves this share (0.999; 0: the
    # parameters themselves)
    ema_decay: float = 0.0

    def __post_init__(self) -> None:
        check_choice("optimizer.name", self.name, OPTIMIZERS)
        check_choice("optimizer.schedule", self.schedule, SCHEDULES)
        numbers = ("learning_rate", "warmup_steps", "weight_decay", "epsilon", "clip_norm")
        check_not_negative("optimizer", self, numbers)
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"optimizer.ema_decay: {self.ema_decay} is not in [0, 1)")


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Strengths; 0 leaves an effect out. docs/augmentation.md describes them, `hwr data show --augmented` draws them.

    Each sample draws uniformly from -strength .. strength, but for contrast, light, texture, blur_px, noise and mask_px
    from 0 .. strength. What follows elastic_spread_px needs a background of 0: data.preprocessing "word" or "line".
    """

    shear: float = 0.0  # slant, horizontal shift per height (0.3 is about 17 degrees)
    rotation_degrees: float = 0.0  # turn about the centre
    # relative change of width and height (0.2: 1/1.2 .. 1.2)
    scale_x: float = 0.0
    scale_y: float = 0.0
    # translation
    shift_x_px: float = 0.0
    shift_y_px: float = 0.0
    # displacement, bilinear between random vectors on a coarse grid (after Wigington et al. 2017)
    warp_px: float = 0.0
    warp_spacing_px: int = 16  # distance of that grid's points
    # displacement by random vectors, blurred and brought back to their variance (Simard et al. 2003)
    elastic_px: float = 0.0
    elastic_spread_px: int = 4  # standard deviation of that blur
    pen_px: float = 0.0  # how far the edges of strokes move out or in, at most 1 (grey dilation and erosion)
    light: float = 0.0  # share of the light that comes and goes over a few heights' distance, at most 1
    texture: float = 0.0  # blotches and grain of the paper, as a share of the darkest ink's darkness, at most 1
    contrast: float = 0.0  # ink grows fainter (0.5: to 1/1.5 .. 1 of it)
    gamma: float = 0.0  # ink to a power (0.5: 1/1.5 .. 1.5), so that grey turns paler or darker and black stays
    blur_px: float = 0.0  # standard deviation of a Gaussian blur, at most 1
    noise: float = 0.0  # added to or taken from every pixel, as a share of the darkest ink
    # columns together that become background, once in every mask_spacing_px columns (after Park et al. 2019)
    mask_px: float = 0.0
    mask_spacing_px: int = 64  # at least mask_px

    def __post_init__(self) -> None:
        check_not_negative("augment", self, tuple(field.name for field in dataclasses.fields(self)))
        check_positive("augment", self, ("warp_spacing_px", "elastic_spread_px", "mask_spacing_px"))
        limits = {"pen_px": 1, "light": 1, "texture": 1, "blur_px": 1, "mask_px": self.mask_spacing_px}
        for name, most in limits.items():
            if getattr(self, name) > most:
                raise InputError(f"augment.{name}: {getattr(self, name)} is more than {most}")

    @property
    def geometric(self) -> bool:
        """Whether any strength that moves ink is above 0."""
        affine = self._any("shear", "rotation_degrees", "scale_x", "scale_y", "shift_x_px", "shift_y_px")
        return affine or self._any("warp_px", "elastic_px")

    @property
    def photometric(self) -> bool:
        """Whether any strength that changes grey levels is above 0."""
        return self._any("pen_px", "light", "texture", "contrast", "gamma", "blur_px", "noise", "mask_px")

    @property
    def active(self) -> bool:
        """Whether any strength is above 0."""
        return self.geometric or self.photometric

    def _any(self, *names: str) -> bool:
        return not all(is_zero(getattr(self, name)) for name in names)


# Numbers that change no shape and no program: what runs that train as one program may differ in.
NUMBERS = (
    *("seed", "optimizer.learning_rate", "optimizer.weight_decay", "model.dropout", "model.lstm_dropout"),
    *(f"augment.{field.name}" for field in dataclasses.fields(AugmentConfig) if isinstance(field.default, float)),
)


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long a run is, and what is due when."""

    steps: int = 0  # number of steps (give this or `epochs`, the other 0)
    epochs: float = 0.0  # passes over the training samples; the number of steps is rounded up
    min_steps: int = 0  # a run of so many epochs has at least so many steps (0: it is refused if it has fewer than 100)
    max_left_out: float = 0.2  # a run that would leave out a larger share of its training samples is refused
    steps_per_dispatch: int = 1  # steps that run in one program before Python is back; the numbers are the same
    log_every_steps: int = 0  # a line in metrics.jsonl (0: 20 lines a run, but one every 50 steps at least)
    evaluate_every_steps: int = 0  # CER and WER of the validation split, and a checkpoint (0: only after the last step)
    checkpoint_every_steps: int = 0  # a checkpoint (0: only where the validation split is evaluated)
    # a run ends before its last step where so many validations in a row have brought no lower CER (0: never)
    patience_validations: int = 0
    # a run ends before its last step once it has trained so many minutes, validations and earlier starts included
    # (0: never). It looks at the clock when a line of metrics is due; the schedule stays that of all steps.
    minutes: float = 0.0
    # batches of `data.batch_size` samples whose gradients add up to those of one step: the numbers of a batch so many
    # times as large, in the memory of one. Batch normalization sees one batch at a time.
    accumulate_batches: int = 1
    # where numbers and pictures go beside metrics.jsonl, see `hwr_jax.training.trackers`: "tensorboard" (event files in
    # the run's folder), "wandb", "mlflow", "trackio"; () for none
    trackers: tuple[str, ...] = ("tensorboard",)
    # also the Keras example's "mean edit distance" of the validation split, see `hwr_jax.evaluation.example_metric`
    example_metric: bool = False
    # "jit" (one device), "pmap" or "mesh" (all devices), "auto": jit on one device, pmap on several
    parallel: str = "auto"

    def __post_init__(self) -> None:
        intervals = ("log_every_steps", "evaluate_every_steps", "checkpoint_every_steps")
        lengths = ("steps", "epochs", "min_steps", "patience_validations", "minutes")
        check_not_negative("training", self, (*lengths, "max_left_out", *intervals))
        check_positive("training", self, ("steps_per_dispatch", "accumulate_batches"))
        if bool(self.steps) == bool(self.epochs):
            raise InputError("training: give either steps or epochs, and leave the other 0")
        check_choice("training.parallel", self.parallel, PARALLEL)

    def log_every(self, total_steps: int) -> int:
        """Steps between two lines of metrics in a run of so many."""
        return self.log_every_steps or max(1, min(50, total_steps // 20))


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """All of an experiment."""

    seed: int = 0  # of initialisation, data order, dropout and augmentation
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    losses: LossesConfig = LossesConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    augment: AugmentConfig = AugmentConfig()
    training: TrainingConfig = TrainingConfig(epochs=10.0)

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed: {self.seed} is not from 0 to 2**32 - 1")
        if self.data.preprocessing == "line":
            self._check_lines()
        if self.data.preprocessing == "keras" and self.augment.photometric:
            raise InputError(
                "augment: pens, paper and light need data.preprocessing=word or line, where the background is 0; with"
                " keras leave pen_px and what follows it at 0"
            )

    def _check_lines(self) -> None:
        """Batches of different widths: not all ways of training take them."""
        for name, wrong, instead in (
            ("data.reshuffle", not self.data.reshuffle, "True"),
            ("data.on_device", self.data.on_device == "yes", "auto or no"),
            ("training.steps_per_dispatch", self.training.steps_per_dispatch > 1, "1"),
            ("losses.keras_ctc", self.losses.keras_ctc > 0, "0"),
        ):
            if wrong:
                raise InputError(f"{name}: with data.preprocessing=line it must be {instead}")

    @property
    def follows_width(self) -> bool:
        """Whether the number of frames follows the width of the ink."""
        return self.data.preprocessing == "line"

    @property
    def samples_per_step(self) -> int:
        """Samples of one step, over all devices and processes, and over all batches that it accumulates."""
        return self.data.batch_size * self.training.accumulate_batches

    def total_steps(self, samples: int) -> int:
        """Number of steps of a run on so many training samples."""
        epochs, batch_size = self.training.epochs, self.samples_per_step
        if self.data.reshuffle and not self.follows_width and not self.data.mixture:
            steps = math.ceil(epochs * samples / batch_size)
        else:
            steps = math.ceil(epochs * math.ceil(samples / batch_size))
        return self.training.steps or max(steps, self.training.min_steps)

    def log_every_steps(self, total_steps: int) -> int:
        """Steps between two lines of metrics in a run of so many."""
        return self.training.log_every(total_steps)


def default_config() -> ConfigDict:
    """The defaults of `ExperimentConfig` for a config file to change; it takes no other fields."""
    return ConfigDict(dataclasses.asdict(ExperimentConfig()), convert_dict=True)


def resolve_config(config: ConfigDict) -> ExperimentConfig:
    """The frozen dataclasses of a config file's values.

    Raises InputError: an unknown field, or a value of the wrong type or range.
    """
    values = config.to_dict()
    if "task" in values:
        raise InputError(f"config: it is of a {values['task']}, and this is for recognizers")
    for name in flatten(values, "."):
        if name in FIELDS:
            raise InputError(f"config.{name}: is called config.{FIELDS[name]} now")
    return build_dataclass(ExperimentConfig, values)
