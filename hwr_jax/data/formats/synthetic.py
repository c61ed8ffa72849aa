"""Handwriting of synthetic writers, made up as it is read: the embedded default data."""

import dataclasses
import functools
import re
from collections.abc import Iterator

import numpy as np

from hwr_jax.data.formats.base import STROKES, DataTerms, Format, TellTotal, ignore_total
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample
from hwr_jax.errors import InputError
from hwr_jax.ink.strokes import encode_png
from hwr_jax.ink.words import make_text
from hwr_jax.ink.writers import draw_word, make_writer

SYNTHETIC = "synthetic"
_OWN_NAME = re.compile(r"writers(\d+)_words(\d+)_seed(\d+)")
# Writers whose words one process makes at once; a writer's words travel together.
_CHUNK_WRITERS = 8


@dataclasses.dataclass(frozen=True)
class SyntheticParams:
    """How much synthetic handwriting there is, and which."""

    writers: int = 200
    words_per_writer: int = 50
    seed: int = 0

    @property
    def data_name(self) -> str:
        """The data set with these parameters, for example "synthetic/writers200_words50_seed0"."""
        return f"{SYNTHETIC}/writers{self.writers}_words{self.words_per_writer}_seed{self.seed}"

    @staticmethod
    def parse(own_name: str) -> "SyntheticParams | None":
        """Those that the part of a data set's name after the slash spells out; None if it spells none."""
        match = _OWN_NAME.fullmatch(own_name)
        return SyntheticParams(*map(int, match.groups())) if match else None


def parse_synthetic(
    *,
    writers: int,
    words_per_writer: int,
    seed: int = 0,
    workers: int = 1,
    tell_total: TellTotal = ignore_total,
) -> Iterator[Sample]:
    """Words by synthetic writers, writer by writer.

    A sample depends on the seed, its writer's number and its own number only: not on `workers`, `writers` or
    `words_per_writer`. Ids look like "synthetic-w0012-0034", writers like "w0012". Raises InputError if a count is not
    positive or the seed is negative.
    """
    if writers < 1 or words_per_writer < 1 or seed < 0:
        raise InputError(
            f"synthetic writers: writers={writers}, words_per_writer={words_per_writer}, seed={seed}; "
            "the counts must be at least 1 and the seed at least 0"
        )
    tell_total(writers * words_per_writer)
    write = functools.partial(write_samples, words=words_per_writer, seed=seed)
    for samples in map_in_order(write, range(writers), workers=workers, chunk_items=_CHUNK_WRITERS):
        yield from samples


def write_samples(writer_number: int, *, words: int, seed: int) -> list[Sample]:
    """All words of one writer."""
    name = f"w{writer_number:04d}"
    writer = make_writer(f"{seed}-{name}")
    samples = []
    for word_number in range(words):
        rng = np.random.default_rng([seed, writer_number, word_number])
        text = make_text(rng)
        image = encode_png(draw_word(writer, text, rng))
        samples.append(Sample(f"synthetic-{name}-{word_number:04d}", text, name, image))
    return samples


FORMAT = Format(
    SYNTHETIC,
    parse_synthetic,
    "Words written by synthetic writers.",
    unit="word",
    language="English",
    medium=STROKES,
    needs_source=False,
    terms=DataTerms("synthetic writers of hwr_jax", "none: made up", "made up by hwr_jax, of no one's handwriting"),
)
