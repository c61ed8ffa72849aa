"""`python -m experiments.benchmarks.decode`: words a second of our decoders, beside pyctcdecode's on the same frames.

The frames are what the model that comes with the package makes of words: of the validation split of a prepared data
set, or of synthetic words where it is not prepared. pyctcdecode (pip install pyctcdecode) is a prefix beam search in
Python; it runs in the same process, and where it is not installed only ours are measured.
"""

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks.command import check_positive, describe_machine, say_written
from experiments.benchmarks.rounds import rotate
from experiments.benchmarks.words import draw_words
from hwr_jax.commands.options import Parser, run
from hwr_jax.config import DataConfig
from hwr_jax.data.formats.synthetic import SYNTHETIC
from hwr_jax.data.loading import load_split
from hwr_jax.data.prepared import find_prepared
from hwr_jax.data.preprocessed import PreprocessedSamples, preprocess_samples
from hwr_jax.decoding.decoder import BeamDecoder, Decoder, GreedyDecoder
from hwr_jax.decoding.lexicon import build_lexicon
from hwr_jax.decoding.lexicon_tables import build_lexicon_tables
from hwr_jax.decoding.ngram_tables import build_ngram_tables
from hwr_jax.decoding.settings import usual_weights
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.decoding.text_model import build_text_model
from hwr_jax.ink.words import load_words
from hwr_jax.models.trained import PRETRAINED, TrainedModel, load_exported
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.usage import peak_memory_bytes

MODEL = "unipen_words"
PYCTCDECODE = "pyctcdecode"
# Ours that is compared: same width, no language model, and the peer prunes characters too (below exp(-5) in a frame).
OURS = "beam"
CANDIDATES = 12

# Log probabilities [N, T, K] to one text a row.
Decode = Callable[[np.ndarray], list[str]]


@dataclasses.dataclass
class Way:
    """A decoder and its times.

    Attributes:
      label: for the table.
      decode: reads rows.
      rows: how many of them in a turn.
      wall_seconds, cpu_seconds: of each round.
      texts: what it read.
    """

    label: str
    decode: Decode
    rows: int
    wall_seconds: list[float] = dataclasses.field(default_factory=list)
    cpu_seconds: list[float] = dataclasses.field(default_factory=list)
    texts: list[str] = dataclasses.field(default_factory=list)

    def take_turn(self, log_probs_NxTxK: np.ndarray) -> None:
        """Reads its rows once and notes the time."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.texts = self.decode(log_probs_NxTxK[: self.rows])
        self.wall_seconds.append(time.perf_counter() - wall)
        self.cpu_seconds.append(time.process_time() - cpu)

    @property
    def samples_per_second(self) -> list[float]:
        """Of each round, by the clock on the wall."""
        return [self.rows / seconds for seconds in self.wall_seconds]

    @property
    def words_per_cpu_second(self) -> float:
        """Median over the rounds."""
        return statistics.median(self.rows / seconds for seconds in self.cpu_seconds)


def main(argv: Sequence[str]) -> int:
    """Measures and prints the table. Returns the exit status.

    Raises:
      InputError: wrong flags or data.
    """
    options = _parse(argv)
    machine = describe_machine()
    model = load_exported(PRETRAINED / MODEL)
    samples, data = _load(options, model)
    log_probs_NxTxK = model.log_probs(samples.images_NxHxW[: options.words])
    ways = [*our_ways(model.alphabet, options.beam_width, len(log_probs_NxTxK))]
    missing = importlib.util.find_spec(PYCTCDECODE) is None
    if not missing:
        ways += pyctcdecode_ways(model.alphabet, options.beam_width, min(options.peer_words, len(log_probs_NxTxK)))
    for way in ways:
        way.decode(log_probs_NxTxK[: way.rows])  # compiles
    for number in range(options.rounds):
        for way in rotate(ways, number):
            way.take_turn(log_probs_NxTxK)
    print(f"decoding, beam width {options.beam_width}, {len(log_probs_NxTxK):,} words ({data}) of {MODEL}'s frames")
    print(f"{machine}\n")
    print(describe_ways(ways))
    if missing:
        print(f"{PYCTCDECODE}: skipped: {PYCTCDECODE} is not installed")
    if options.json:
        about = {PYCTCDECODE: None if missing else importlib.metadata.version(PYCTCDECODE)}
        numbers = {"data": data, "words": len(log_probs_NxTxK), "versions": about, "ways": ways_to_json(ways)}
        say_written(options.json, {**numbers, "peak_bytes": peak_memory_bytes()}, vars(options).items())
    return 0


def our_ways(alphabet: Alphabet, width: int, rows: int) -> list[Way]:
    """Ours; language model and lexicon are of the package's English words."""
    words = load_words()
    ngrams = build_ngram_tables(train_language_model(words, order=6, characters=alphabet.characters), alphabet)
    lexicon = build_lexicon_tables(build_lexicon(words), alphabet)
    one, other, both = (
        usual_weights(language_model=language_model, lexicon=with_lexicon)
        for language_model, with_lexicon in ((True, False), (False, True), (True, True))
    )
    text_models = {
        OURS: None,
        f"{OURS} + language model": build_text_model(one, ngrams=ngrams),
        f"{OURS} + lexicon": build_text_model(other, lexicon=lexicon),
        f"{OURS} + language model + lexicon": build_text_model(both, ngrams=ngrams, lexicon=lexicon),
    }
    ways = [Way("greedy", _first_texts(GreedyDecoder(alphabet)), rows)]
    for label, text_model in text_models.items():
        decoder = BeamDecoder(alphabet, text_model, width=width, candidates=CANDIDATES)
        ways.append(Way(label, _first_texts(decoder), rows))
    return [
        *ways,
        Way(f"{OURS}, all characters tried", _first_texts(BeamDecoder(alphabet, width=width, candidates=None)), rows),
    ]


def pyctcdecode_ways(alphabet: Alphabet, width: int, rows: int) -> list[Way]:
    """pyctcdecode without a language model, at its own pruning and at almost none."""
    import logging

    import pyctcdecode

    logging.getLogger(PYCTCDECODE).setLevel(logging.ERROR)  # It warns of alphabets without a space.
    labels = ["\ue000", *alphabet.characters, "\ue001", ""]  # unknown and unused stand for private characters
    peer = pyctcdecode.BeamSearchDecoderCTC(pyctcdecode.Alphabet(labels, False))

    def decode_with(**options: float) -> Decode:
        return lambda rows_NxTxK: [peer.decode(row_TxK, beam_width=width, **options) for row_TxK in rows_NxTxK]

    return [
        Way(PYCTCDECODE, decode_with(), rows),
        Way(f"{PYCTCDECODE}, less pruned", decode_with(token_min_logp=-9.0, beam_prune_logp=-25.0), max(1, rows // 4)),
    ]


def ratio_to_ours(ways: Sequence[Way], way: Way) -> float | None:
    """How many times the words a second of `way` ours reads: median over the rounds. None for our own ways."""
    if not way.label.startswith(PYCTCDECODE):
        return None
    ours = next(other for other in ways if other.label == OURS)
    pairs = zip(ours.samples_per_second, way.samples_per_second, strict=True)
    return statistics.median(own / theirs for own, theirs in pairs)


def same_texts(ways: Sequence[Way], way: Way) -> float:
    """The share of words that `way` reads as our beam does."""
    ours = next(other for other in ways if other.label == OURS)
    return statistics.fmean(a == b for a, b in zip(ours.texts, way.texts, strict=False))


def describe_ways(ways: Sequence[Way]) -> str:
    """The table."""
    lines = [f"{'':<34}{'words/s (lowest - highest round)':>36}{'words/CPU s':>14}{'ours':>8}{'same text':>12}"]
    for way in ways:
        rates = way.samples_per_second
        speed = f"{statistics.median(rates):,.0f} ({min(rates):,.0f} - {max(rates):,.0f})"
        ratio = ratio_to_ours(ways, way)
        # With a text model it is meant to read other texts.
        same = "" if " + " in way.label else f"{same_texts(ways, way):.1%}"
        lines.append(
            f"{way.label:<34}{speed:>36}{way.words_per_cpu_second:>14,.0f}"
            f"{'' if ratio is None else f'{ratio:.1f} x':>8}{same:>12}"
        )
    return "\n".join(lines)


def ways_to_json(ways: Sequence[Way]) -> dict[str, Any]:
    """All numbers, by label."""
    return {
        way.label: {
            "rows": way.rows,
            "wall_seconds": way.wall_seconds,
            "cpu_seconds": way.cpu_seconds,
            "samples_per_second": statistics.median(way.samples_per_second),
            "words_per_cpu_second": way.words_per_cpu_second,
            "ours_is_faster": ratio_to_ours(ways, way),
            "same_texts": same_texts(ways, way),
        }
        for way in ways
    }


def _first_texts(decoder: Decoder) -> Decode:
    return lambda log_probs_NxTxK: [found[0].text if found else "" for found in decoder.decode(log_probs_NxTxK)]


def _load(options: argparse.Namespace, model: TrainedModel) -> tuple[PreprocessedSamples, str]:
    """The words, and where they are from."""
    if options.data != SYNTHETIC and find_prepared(options.data) is None:
        print(f"{options.data} is not prepared: synthetic words in its place", file=sys.stderr)
    elif options.data != SYNTHETIC:
        config = DataConfig(name=options.data)
        return load_split(config, "validation", model.preprocessing, limit=options.words), f"{options.data}, validation"
    return preprocess_samples(draw_words(options.words), model.preprocessing), "synthetic"


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m experiments.benchmarks.decode", description=__doc__)
    parser.add_argument("--data", default=MODEL, metavar="NAME", help=f"default {MODEL}, or synthetic")
    parser.add_argument("--words", type=int, default=1024, help="read by ours in a turn (default 1024)")
    parser.add_argument("--peer_words", type=int, default=256, help=f"read by {PYCTCDECODE} in a turn (default 256)")
    parser.add_argument("--beam_width", type=int, default=32, help="of all (default 32)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too, all of them")
    options = parser.parse_args(argv)
    check_positive(options, "words", "peer_words", "beam_width", "rounds")
    return options


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.decode", main, sys.argv[1:], program=""))
