"""A split of a run's data, prepared if need be and fitted to the frame."""

import collections
import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import overload

from hwr_jax.config import DataConfig, ExperimentConfig
from hwr_jax.data.builders import describe_skips
from hwr_jax.data.fitted import FittedSamples, fit_samples
from hwr_jax.data.labels import select_trainable
from hwr_jax.data.names import SYNTHETIC, SyntheticParams
from hwr_jax.data.prepared import PreparedInfo, PreparedSplit, find_prepared, load_listed, load_prepared, prepare
from hwr_jax.data.sample import Sample
from hwr_jax.data.split_rules import (
    BY_WRITER,
    KERAS_EXAMPLE,
    divide_as_keras_example,
    divide_by_lists,
    read_split_lists,
)
from hwr_jax.data.splits import SPLITS
from hwr_jax.errors import InputError
from hwr_jax.ink.frame import FrameConfig
from hwr_jax.text.alphabet import Alphabet

Progress = Callable[[int, int | None], None]


def ensure_prepared(
    config: DataConfig, *, progress: Progress | None = None, say: Callable[[str], None] | None = None
) -> PreparedInfo:
    """Finds the prepared data set of a run, or prepares it from its source.

    Raises:
      InputError: it is not prepared and there is no source, or the source is not what it says.
    """
    found = find_prepared(config.name, _data_dir(config), synthetic=_synthetic(config))
    if found is None and not config.source and config.name != SYNTHETIC:
        raise InputError(
            f"data {config.name!r}: not prepared; run hwr data prepare {config.name} --source=PATH, "
            "or give --config.data.source=PATH"
        )
    source = Path(config.source) if config.source else None
    return prepare(
        config.name,
        source,
        _data_dir(config),
        workers=worker_count(config.workers),
        synthetic=_synthetic(config),
        progress=progress,
        say=say,
    )


def load_split(config: DataConfig, split: str, frame: FrameConfig, *, limit: int = 0) -> FittedSamples:
    """The fitted samples of a split of a prepared data set.

    By writer they come in an order that depends on their ids alone, as the Keras example's in its order, and by lists
    in the source's order.

    Args:
      limit: only the first so many (0: all).

    Raises:
      InputError: the data set is not prepared, or `config.split` names no rule and no lists.
    """
    samples, left_out = _select_split(config, split)
    wanted: Iterable[Sample] = samples[:limit] if limit else samples
    if config.last_token_labels:
        wanted = (dataclasses.replace(sample, text=sample.text.split(" ")[-1]) for sample in wanted)
    fitted = fit_samples(wanted, frame, workers=worker_count(config.workers))
    return dataclasses.replace(fitted, skipped=fitted.skipped | left_out)


def _select_split(config: DataConfig, split: str) -> tuple[Sequence[Sample], dict[str, str]]:
    """The samples of a split, and id -> reason of those in none (told with the training split)."""
    data_dir, synthetic = _data_dir(config), _synthetic(config)
    if config.split == BY_WRITER:
        return load_prepared(config.name, split, data_dir, synthetic=synthetic), {}
    parts = [load_prepared(config.name, part, data_dir, synthetic=synthetic) for part in SPLITS]
    place_of_id = {sample.id: (part, row) for part in parts for row, sample in enumerate(part)}
    listed = load_listed(config.name, data_dir, synthetic=synthetic)
    if config.split == KERAS_EXAMPLE:
        return _Selection([place_of_id[id] for id in divide_as_keras_example(listed)[split] if id in place_of_id]), {}
    lists = read_split_lists(Path(config.split))
    divided = divide_by_lists((id for id in listed if id in place_of_id), lists)
    if not divided[split]:
        raise InputError(f"{config.split}: the list for {split} names no sample of {config.name}")
    left_out = dict.fromkeys(divided[""], f"in no list of {lists.rule}") if split == "train" else {}
    return _Selection([place_of_id[id] for id in divided[split]]), left_out


class _Selection(Sequence[Sample]):
    """Samples of prepared splits in any order, read when they are asked for."""

    def __init__(self, places: list[tuple[PreparedSplit, int]]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "_Selection": ...
    def __getitem__(self, index: int | slice) -> "Sample | _Selection":
        if isinstance(index, slice):
            return _Selection(self._places[index])
        part, row = self._places[index]
        return part[row]


def load_for_training(
    config: ExperimentConfig,
    alphabet: Alphabet,
    *,
    say: Callable[[str], None],
    poll: Callable[[], None] = lambda: None,
) -> tuple[FittedSamples, FittedSamples]:
    """The training samples that can be trained on, and the validation samples, of a prepared data set.

    Args:
      config: of the run.
      alphabet: of its model.
      say: called with a line on what takes time.
      poll: called between the splits; an exception it raises ends it.

    Raises:
      InputError: the data are not prepared, or no samples are left in one of the splits.
    """
    frame = FrameConfig(config.model.height_px, config.model.width_px, config.data.fitting)
    say(f"fitting images to {frame.width_px} x {frame.height_px} px")
    training = load_split(config.data, "train", frame, limit=config.data.training_samples)
    poll()
    validation = load_split(config.data, "validation", frame, limit=config.data.validation_samples)
    poll()
    trainable = select_trainable(training, alphabet, config.model.frames)
    for what, part in (("training", trainable), ("validation", validation)):
        if not len(part):
            reasons = describe_skips(collections.Counter(part.skipped.values()))
            raise InputError(f"data {config.data.name!r}: no {what} samples are left; {reasons}")
    return trainable, validation


def worker_count(workers: int) -> int:
    """The number of processes that `workers` asks for: 0 is one a core."""
    return workers or len(os.sched_getaffinity(0))


def _data_dir(config: DataConfig) -> Path | None:
    return Path(config.data_dir) if config.data_dir else None


def _synthetic(config: DataConfig) -> SyntheticParams | None:
    if config.name != SYNTHETIC:
        return None
    return SyntheticParams(writers=config.writers, words_per_writer=config.words_per_writer)
