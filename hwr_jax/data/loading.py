"""A split of a run's data, prepared if need be, and preprocessed."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from hwr_jax.config import DataConfig, ExperimentConfig
from hwr_jax.data.enough import check_enough, check_not_empty
from hwr_jax.data.formats.base import Progress
from hwr_jax.data.formats.synthetic import SYNTHETIC, SyntheticParams
from hwr_jax.data.formats.table import page_pattern
from hwr_jax.data.labels import final_label, select_trainable, take
from hwr_jax.data.mixture import make_draws, sources_of
from hwr_jax.data.parallel import count_cores
from hwr_jax.data.prepared import (
    PreparedInfo,
    SplitSummary,
    find_prepared,
    load_given_splits,
    load_listed,
    load_prepared,
    load_writers,
    prepare,
)
from hwr_jax.data.preprocessed import PreprocessedSamples, join_samples, load_or_preprocess, preprocess_samples
from hwr_jax.data.small_sets import BY_UNIT, choose_rule, count_writers, divide_by_unit, remark_on_splits
from hwr_jax.data.splits import AUTO, BY_WRITER, GIVEN, SPLITS, divide, hash_of_ids, names_lists, remark_on_lists
from hwr_jax.data.stored_images import ImageWriter
from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing, count_frames, preprocessing_of
from hwr_jax.text.alphabet import FROM_DATA, UNION, Alphabet, alphabet_of, resolve_alphabet


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
        raise InputError(f"data {config.name!r}: not prepared; run hwr data prepare {config.name} --source=PATH")
    source = Path(config.source) if config.source else None
    return prepare(
        prepared_name(config),
        source,
        _data_dir(config),
        workers=worker_count(config.workers),
        progress=progress,
        say=say,
    )


def settle_split(config: DataConfig) -> DataConfig:
    """The config with the split rules that its prepared data choose, where it leaves that to them ("auto")."""
    if config.mixture:
        sources = {
            key: dataclasses.replace(source, split=settle_split(config.of_source(key)).split)
            for key, source in config.mixture.items()
        }
        return dataclasses.replace(config, mixture=sources)
    if config.split != AUTO:
        return config
    name = prepared_name(config)
    writers = load_writers(name, _data_dir(config))
    # Data that an older version prepared were split by writer.
    rule = choose_rule(writers, page_pattern(name)) if writers else BY_WRITER
    return dataclasses.replace(config, split=rule)


def summarize_splits(config: DataConfig) -> dict[str, SplitSummary]:
    """The splits of prepared data by the config's rule, which is not "auto"."""
    return _summarize_splits(config, load_writers(prepared_name(config), _data_dir(config)))


def _summarize_splits(config: DataConfig, writers: Mapping[str, str]) -> dict[str, SplitSummary]:
    name, data_dir = prepared_name(config), _data_dir(config)
    info = find_prepared(name, data_dir)
    if config.split == BY_WRITER and info:
        return dict(info.splits)
    parts, _ = _divide(config, load_listed(name, data_dir), writers)
    page_id = page_pattern(name)
    return {
        split: SplitSummary(
            len(ids), count_writers({id: writers[id] for id in ids if id in writers}, page_id), hash_of_ids(ids)
        )
        for split, ids in parts.items()
    }


def load_split(config: DataConfig, split: str, preprocessing: Preprocessing, *, limit: int = 0) -> PreprocessedSamples:
    """The preprocessed samples of a split of a prepared data set, only the first `limit` of them (0: all).

    By writer they come in an order that depends on their ids alone, as the Keras example's in its order, and by lists
    in the source's order. Of a mixture they come source by source, at most `limit` of each, and their ids and writers
    begin with the name of the source in the mixture and a slash. Raises InputError if the data set is not prepared, or
    `config.split` names no rule and no lists.
    """
    if config.mixture:
        sources = {key: load_split(one, split, preprocessing, limit=limit) for key, one in sources_of(config).items()}
        return join_samples([_name_source(samples, key) for key, samples in sources.items()])
    left_out: dict[str, str] = {}
    config = settle_split(config)
    if config.split == BY_WRITER:
        samples = _load_preprocessed(config, split, preprocessing)
    else:
        samples, left_out = _select_split(config, split, preprocessing)
    if limit and limit < len(samples):
        samples = take(samples, np.arange(limit))
    samples = dataclasses.replace(samples, texts=tuple(final_label(text, config) for text in samples.texts))
    return dataclasses.replace(samples, skipped=samples.skipped | left_out)


def _name_source(samples: PreprocessedSamples, key: str) -> PreprocessedSamples:
    return dataclasses.replace(
        samples,
        ids=tuple(f"{key}/{id}" for id in samples.ids),
        writers=tuple(f"{key}/{writer}" for writer in samples.writers),
        skipped={f"{key}/{id}": reason for id, reason in samples.skipped.items()},
    )


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
    # What an older version prepared does not say who wrote what cannot be opened.
    writers = load_writers(prepared_name(config), _data_dir(config))
    writers = writers or dict(zip(samples.ids, samples.writers, strict=True))
    parts, in_none = _divide(config, row_of_id, writers)
    ids = parts[split]
    if not ids and names_lists(config.split):
        raise _no_sample_listed(config, split, samples.ids)
    skipped = {id: samples.skipped[id] for id in ids if id in samples.skipped}
    rows = np.array([row_of_id[id] for id in ids if id in row_of_id], dtype=np.int64)
    return dataclasses.replace(take(samples, rows), skipped=skipped), in_none if split == "train" else {}


def check_lists(config: DataConfig) -> None:
    """Raises InputError if `config.split` names lists, one of which holds no id of the prepared data."""
    if names_lists(config.split):
        ids = load_listed(prepared_name(config), _data_dir(config))
        parts, _ = _divide(config, ids, {})
        for split in SPLITS:
            if not parts[split]:
                raise _no_sample_listed(config, split, ids)


def _no_sample_listed(config: DataConfig, split: str, ids: Sequence[str]) -> InputError:
    what = f"{config.split}: the list for {split} names no sample of {config.name}"
    return InputError(f"{what}, whose ids are like {', '.join(map(repr, ids[:3]))}")


def find_alphabet(config: ExperimentConfig, begun_from: Alphabet | None = None) -> Alphabet:
    """The alphabet of a run: what `model.alphabet` names, or the characters of the training split, sorted.

    With "union" those of the model that the run begins from are among them. Raises:
      InputError: the name is empty; there is no such model; or the training split is asked for, and is not prepared or
        without characters.
    """
    if config.model.alphabet not in FROM_DATA:
        return resolve_alphabet(config.model.alphabet)
    known = ""
    if config.model.alphabet == UNION:
        if begun_from is None:
            raise InputError("model.alphabet='union': keeps what a model knows; name the model with --init_from=MODEL")
        known = begun_from.characters
    training = _load_drawn(config, preprocessing_of(config))
    return alphabet_of([known, *training.texts])


def load_for_training(
    config: ExperimentConfig,
    alphabet: Alphabet,
    *,
    say: Callable[[str], None],
    poll: Callable[[], None] = lambda: None,
    stride_px: int = 0,
    check: bool = False,
) -> tuple[PreprocessedSamples, PreprocessedSamples]:
    """The training samples that can be trained on, and the validation samples, of a prepared data set.

    `poll` is called between the splits; an exception it raises ends it. `say` gets a line on what takes time.
    `stride_px` is the encoder's, columns a frame; 0: that of the one that the config names. Raises InputError if the
    data are not prepared, no samples are left in one of the splits, or, with `check`, too little to train on.
    """
    preprocessing = preprocessing_of(config)
    most = "at most " * config.follows_width
    say(f"preprocessing images to {most}{preprocessing.width_px} x {preprocessing.height_px} px")
    training = _load_drawn(config, preprocessing)
    poll()
    validation = load_split(config.data, "validation", preprocessing, limit=config.data.validation_samples)
    poll()
    frames = count_frames(training.widths_N, stride_px or config.model.stride_px)
    trainable = select_trainable(training, alphabet, frames, config.data.outside_alphabet)
    check_not_empty(config, alphabet, "training", training, trainable)
    check_not_empty(config, alphabet, "validation", validation, validation)
    make_draws(trainable.ids, config.data, config.seed)  # It refuses a set of which nothing is left.
    if check:
        check_enough(config, alphabet, training, trainable)
    return trainable, validation


def _load_drawn(config: ExperimentConfig, preprocessing: Preprocessing) -> PreprocessedSamples:
    """The training split, without the data sets of a mixture that are measured alone."""
    drawn = {key: source for key, source in config.data.mixture.items() if source.is_drawn}
    data = dataclasses.replace(config.data, mixture=drawn)
    return load_split(data, "train", preprocessing, limit=config.data.training_samples)


def remark_on_data(config: DataConfig) -> list[str]:
    """What to know of a run's data before trusting its numbers, one sentence each; of the usual splits nothing.

    The config has a split rule, and its data are prepared.
    """
    if config.mixture:
        return _remark_on_sources(config)
    name, data_dir = prepared_name(config), _data_dir(config)
    writers = load_writers(name, data_dir)
    samples = {split: found.samples for split, found in _summarize_splits(config, writers).items()}
    remarks = remark_on_splits(config.split, samples, count_writers(writers, page_pattern(name)))
    return remarks + remark_on_lists(config.split, load_listed(name, data_dir))


def _remark_on_sources(config: DataConfig) -> list[str]:
    """That a mixture is not measured on a set, or not trained on it; and what to know of how the others are split."""
    remarks = []
    for key, one in sources_of(config).items():
        source, splits = config.mixture[key], summarize_splits(one)
        if not source.is_drawn:
            remarks.append(f"{key}: is measured, and not trained on.")
        elif splits["validation"].samples or splits["test"].samples:
            remarks += [f"{key}: {remark}" for remark in remark_on_data(one)]
        else:
            remarks.append(f"{key}: all of it is trained on, so it is not measured.")
    return remarks


def _divide(
    config: DataConfig, known: Collection[str], writers: Mapping[str, str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Split -> ids by a rule other than by writer, and id -> why it is in none.

    `known` are the samples that there are, of which `writers` gives the writers.
    """
    name, data_dir = prepared_name(config), _data_dir(config)
    if config.split in BY_UNIT:
        return divide_by_unit(config.split, writers, page_pattern(name)), {}
    given = load_given_splits(name, data_dir) if config.split == GIVEN else {}
    return divide(config.split, load_listed(name, data_dir), known, given)


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
