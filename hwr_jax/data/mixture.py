"""Several data sets in one run: what each gives to an epoch, and whose a sample is."""

import dataclasses
import hashlib
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from hwr_jax.config import DataConfig
from hwr_jax.data.splits import rule_name
from hwr_jax.errors import InputError
from hwr_jax.mixture_config import MIXTURE


def sources_of(config: DataConfig) -> dict[str, DataConfig]:
    """The config of each data set by its name in the mixture; of a run on one set that config alone, under ""."""
    return {key: config.of_source(key) for key in config.mixture} or {"": config}


def rule_of(config: DataConfig) -> str:
    """The name of the split rule, which of a mixture is that of all its sets: see `hwr_jax.data.splits.rule_name`."""
    rules = {key: rule_name(one.split) for key, one in sources_of(config).items()}
    if not config.mixture:
        return rules[""]
    text = "".join(f"{key} {config.mixture[key].name} {rule}\n" for key, rule in sorted(rules.items()))
    return f"{MIXTURE}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def source_of(sample_id: str) -> str:
    """The name in the mixture of the data set that a mixture's sample is of."""
    return sample_id.partition("/")[0]


def group_by_source(ids: Sequence[str], config: DataConfig) -> dict[str, Int[np.ndarray, "_"]]:
    """The rows of each data set of a mixture, perhaps none, in the config's order; {} of a run on one set."""
    sources = np.array([source_of(id) for id in ids] if config.mixture else [], dtype=str)
    return {key: np.flatnonzero(sources == key) for key in config.mixture}


@dataclasses.dataclass(frozen=True)
class Draws:
    """What an epoch of a mixture holds: of each data set as many samples as its weight or share asks for.

    A data set is drawn in permutations of its own, one after the other, wherever an epoch ends in them. So none of its
    samples comes a second time before all have come, and they come alike whatever else is in the mixture.
    """

    rows_of: Mapping[str, np.ndarray]  # int64: rows of the training samples of each data set
    counts: Mapping[str, int]  # samples an epoch of each
    seed: int

    def __len__(self) -> int:
        return sum(self.counts.values())

    def rows(self, epoch: int) -> Int[np.ndarray, "_"]:
        """The rows of an epoch, those of one data set after those of the other."""
        return np.concatenate([self._rows_of_source(key, epoch) for key in self.rows_of])

    def _rows_of_source(self, key: str, epoch: int) -> Int[np.ndarray, "_"]:
        rows, count = self.rows_of[key], self.counts[key]
        if not count:
            return rows[:0]
        cycles, within = np.divmod(np.arange(epoch * count, (epoch + 1) * count), len(rows))
        seed = [self.seed, zlib.crc32(key.encode())]
        return np.concatenate(
            [
                np.random.default_rng([*seed, cycle]).permutation(rows)[within[cycles == cycle]]
                for cycle in np.unique(cycles).tolist()
            ]
        )


def make_draws(ids: Sequence[str], config: DataConfig, seed: int) -> Draws | None:
    """What epochs hold of the training samples with these ids; None where the run has one data set.

    Raises InputError if a data set with a weight or share has no training samples.
    """
    if not config.mixture:
        return None
    rows_of = group_by_source(ids, config)
    for key, source in config.mixture.items():
        if source.is_drawn and not len(rows_of[key]):
            raise InputError(
                f"data.mixture.{key}: no training samples are left in {source.name!r}; look at it with hwr data check "
                f"{source.name}, or give --config.data.mixture.{key}.weight=0"
            )
    return Draws(rows_of, _count({key: len(rows) for key, rows in rows_of.items()}, config), seed)


def samples_an_epoch(ids: Sequence[str], config: DataConfig) -> int:
    """How many samples an epoch of a run on the training samples with these ids has."""
    draws = make_draws(ids, config, seed=0)
    return len(ids) if draws is None else len(draws)


def _count(samples: Mapping[str, int], config: DataConfig) -> dict[str, int]:
    """Samples an epoch of each data set. Where all have shares, an epoch has as many as there are of those."""
    sources = config.mixture
    weights = {key: source.weight * samples[key] for key, source in sources.items() if not source.share}
    shared = sum(source.share for source in sources.values())
    if any(weights.values()):
        total = sum(weights.values()) / (1 - shared)
    else:
        total = sum(samples[key] for key, source in sources.items() if source.share)
    wanted = {key: source.share * total if source.share else weights[key] for key, source in sources.items()}
    return {key: max(1, round(number)) if number else 0 for key, number in wanted.items()}
