"""A split of a run's data, prepared if need be, and preprocessed."""

import collections
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwr_jax.config import DataConfig, ExperimentConfig
from hwr_jax.data.formats.base import Progress
from hwr_jax.data.formats.synthetic import SYNTHETIC, SyntheticParams
from hwr_jax.data.labels import final_label, select_trainable, take
from hwr_jax.data.parallel import count_cores
from hwr_jax.data.prepared import PreparedInfo, find_prepared, load_given_splits, load_listed, load_prepared, prepare
from hwr_jax.data.preprocessed import PreprocessedSamples, join_samples, load_or_preprocess, preprocess_samples
from hwr_jax.data.sample import describe_skips
from hwr_jax.data.splits import BY_WRITER, GIVEN, KERAS_EXAMPLE, SPLITS, divide
from hwr_jax.data.stored_images import ImageWriter
from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing, count_frames, preprocessing_of
from hwr_jax.text.alphabet import FROM_TRAINING, Alphabet, alphabet_of, resolve_alphabet


def ensure_prepared(
    config: DataConfig,
    *,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> PreparedInfo:
    """Finds the prepared data set of a run, or prepares it from its source; see `hwr_jax.data.prepared.prepare`.

    Raises InputError if it is not prepared and there is no source, or the source is not what it says.
    """
    if not config.source and config.name != SYNTHETIC and not find_prepared(config.name, _data_dir(config)):
        raise InputError(
            f"data {config.name!r}: not prepared; run hwr data prepare {config.name} --source=PATH, "
            "or give --config.data.source=PATH"
        )
    source = Path(config.source) if config.source else None
    return prepare(
        prepared_name(config),
        source,
        _data_dir(config),
        workers=worker_count(config.workers),
        progress=progress,
        say=say,
    )


def load_split(config: DataConfig, split: str, preprocessing: Preprocessing, *, limit: int = 0) -> PreprocessedSamples:
    """The preprocessed samples of a split of a prepared data set, only the first `limit` of them (0: all).

    By writer they come in an order that depends on their ids alone, as the Keras example's in its order, and by lists
    in the source's order. Raises InputError if the data set is not prepared, or `config.split` names no rule and no
    lists.
    """
    left_out: dict[str, str] = {}
    if config.split == BY_WRITER:
        samples = _load_preprocessed(config, split, preprocessing)
    else:
        samples, left_out = _select_split(config, split, preprocessing)
    if limit and limit < len(samples):
        samples = take(samples, np.arange(limit))
    samples = dataclasses.replace(samples, texts=tuple(final_label(text, config) for text in samples.texts))
    return dataclasses.replace(samples, skipped=samples.skipped | left_out)


def _load_preprocessed(config: DataConfig, part: str, preprocessing: Preprocessing) -> PreprocessedSamples:
    """A split by writer, as it is prepared."""
    name, data_dir = prepared_name(config), _data_dir(config)
    prepared = load_prepared(name, part, data_dir)
    info = find_prepared(name, data_dir)
    assert info is not None  # It was loaded.

    def preprocess(writer: ImageWriter) -> PreprocessedSamples:
        workers, place = worker_count(config.workers), (info.folder, part)
        return preprocess_samples(prepared, preprocessing, workers=workers, writer=writer, place=place)

    return load_or_preprocess(info.folder, part, preprocessing, preprocess)


def _select_split(
    config: DataConfig, split: str, preprocessing: Preprocessing
) -> tuple[PreprocessedSamples, dict[str, str]]:
    """The samples of a split by another rule, and id -> reason of those in none (reported with the training split)."""
    samples = join_samples([_load_preprocessed(config, part, preprocessing) for part in SPLITS])
    row_of_id = {id: row for row, id in enumerate(samples.ids)}
    name, data_dir = prepared_name(config), _data_dir(config)
    given = load_given_splits(name, data_dir) if config.split == GIVEN else {}
    parts, in_none = divide(config.split, load_listed(name, data_dir), row_of_id, given)
    ids = parts[split]
    if not ids and config.split not in (KERAS_EXAMPLE, GIVEN):
        raise InputError(f"{config.split}: the list for {split} names no sample of {config.name}")
    skipped = {id: samples.skipped[id] for id in ids if id in samples.skipped}
    rows = np.array([row_of_id[id] for id in ids if id in row_of_id], dtype=np.int64)
    return dataclasses.replace(take(samples, rows), skipped=skipped), in_none if split == "train" else {}


def find_alphabet(config: ExperimentConfig) -> Alphabet:
    """The alphabet of a run: what `model.alphabet` names, or the characters of the training split, sorted.

    Raises InputError: the name is empty; or the training split is asked for, and is not prepared or without characters.
    """
    if config.model.alphabet != FROM_TRAINING:
        return resolve_alphabet(config.model.alphabet)
    training = load_split(config.data, "train", preprocessing_of(config), limit=config.data.training_samples)
    return alphabet_of(training.texts)


def load_for_training(
    config: ExperimentConfig,
    alphabet: Alphabet,
    *,
    say: Callable[[str], None],
    poll: Callable[[], None] = lambda: None,
    stride_px: int = 0,
) -> tuple[PreprocessedSamples, PreprocessedSamples]:
    """The training samples that can be trained on, and the validation samples, of a prepared data set.

    `poll` is called between the splits; an exception it raises ends it. `say` gets a line on what takes time.
    `stride_px` is the encoder's, columns a frame; 0: that of the one that the config names. Raises InputError if the
    data are not prepared, or no samples are left in one of the splits.
    """
    preprocessing = preprocessing_of(config)
    most = "at most " * config.follows_width
    say(f"preprocessing images to {most}{preprocessing.width_px} x {preprocessing.height_px} px")
    training = load_split(config.data, "train", preprocessing, limit=config.data.training_samples)
    poll()
    validation = load_split(config.data, "validation", preprocessing, limit=config.data.validation_samples)
    poll()
    frames = count_frames(training.widths_N, stride_px or config.model.stride_px)
    trainable = select_trainable(training, alphabet, frames, config.data.outside_alphabet)
    for what, part in (("training", trainable), ("validation", validation)):
        if not len(part):
            reasons = describe_skips(collections.Counter(part.skipped.values()))
            raise InputError(f"data {config.data.name!r}: no {what} samples are left; {reasons}")
    return trainable, validation


def worker_count(workers: int) -> int:
    """The number of processes that `workers` asks for: 0 is one a core."""
    return workers or count_cores()


def prepared_name(config: DataConfig) -> str:
    """The name under which a run's data are prepared; of synthetic data it says how much there is."""
    if config.name != SYNTHETIC:
        return config.name
    return SyntheticParams(config.writers, config.words_per_writer).data_name


def _data_dir(config: DataConfig) -> Path | None:
    return Path(config.data_dir) if config.data_dir else None
