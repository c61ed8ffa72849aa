"""A split of a run's data, prepared if need be and fitted to the frame."""

import os
from collections.abc import Callable
from pathlib import Path

from hwr_jax.config import DataConfig
from hwr_jax.data.fitted import FittedSamples, fit_samples
from hwr_jax.data.names import SYNTHETIC, SyntheticParams
from hwr_jax.data.prepared import PreparedInfo, find_prepared, load_prepared, prepare
from hwr_jax.errors import InputError
from hwr_jax.ink.frame import FrameConfig

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
    """The fitted samples of a prepared split, in an order that depends on their ids alone.

    Args:
      limit: only the first so many (0: all).
    """
    samples = load_prepared(config.name, split, _data_dir(config), synthetic=_synthetic(config))
    wanted = samples if not limit else samples[:limit]
    return fit_samples(wanted, frame, workers=worker_count(config.workers))


def worker_count(workers: int) -> int:
    """The number of processes that `workers` asks for: 0 is one a core."""
    return workers or len(os.sched_getaffinity(0))


def _data_dir(config: DataConfig) -> Path | None:
    return Path(config.data_dir) if config.data_dir else None


def _synthetic(config: DataConfig) -> SyntheticParams | None:
    if config.name != SYNTHETIC:
        return None
    return SyntheticParams(writers=config.writers, words_per_writer=config.words_per_writer)
