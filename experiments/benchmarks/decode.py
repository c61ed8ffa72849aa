"""`python -m experiments.benchmarks.decode`: words a second of our decoders, beside pyctcdecode's on the same frames.

The frames are what the model that comes with the package makes of words: of the validation split of a prepared data
set, or of synthetic words where it is not prepared. pyctcdecode (pip install pyctcdecode) is a prefix beam search in
Python; it runs in the same process, and where it is not installed only ours are measured.
"""

import dataclasses
import importlib.metadata
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from experiments.benchmarks.command import describe_machine, make_parser, write_numbers
from experiments.benchmarks.rounds import rotate
from experiments.benchmarks.words import load_words_of
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import run
from hwr_jax.decoding.decoder import BeamDecoder, Decoder, GreedyDecoder
from hwr_jax.decoding.language_model import build_ngram_tables
from hwr_jax.decoding.lexicon import build_lexicon
from hwr_jax.decoding.lexicon_tables import build_lexicon_tables
from hwr_jax.decoding.settings import DecoderSettings, TextFile, TextParts, usual_weights
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.ink.words import load_words
from hwr_jax.models.trained import PRETRAINED, load_exported
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.workdir import peak_memory_bytes

MODEL = "unipen_words"
PYCTCDECODE = "pyctcdecode"
# Ours that is compared: same width, no language model, and the peer prunes characters too (below exp(-5) in a frame).
OURS = "beam"
CANDIDATES = 12

# Log probabilities [N, T, K] to one text a row.
Decode = Callable[[np.ndarray], list[str]]


@dataclasses.dataclass
class Way:
    label: str  # for the table
    decode: Decode
    rows: int  # how many it reads in a turn
    wall_seconds: list[float] = dataclasses.field(default_factory=list)  # of each round
    cpu_seconds: list[float] = dataclasses.field(default_factory=list)
    texts: list[str] = dataclasses.field(default_factory=list)  # what it read

    def take_turn(self, log_probs_NxTxK: np.ndarray) -> None:
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
    counts = {
        "words": (1024, "read by ours in a turn"),
        "peer_words": (256, f"read by {PYCTCDECODE} in a turn"),
        "beam_width": (32, "of all"),
        "rounds": (5, "turns of each"),
    }
    parser = make_parser("decode", __doc__, counts)
    parser.add_argument("--data", default=MODEL, metavar="NAME", help=f"default {MODEL}, or synthetic")
    options = parser.parse_args(argv)
    machine = describe_machine()
    model = load_exported(PRETRAINED / MODEL)
    samples, data = load_words_of(options.data, "validation", model.preprocessing, limit=options.words)
    log_probs_NxTxK = model.log_probs(samples.images_NxHxW[: options.words], samples.widths_N[: options.words])[0]
    ways = our_ways(model.alphabet, options.beam_width, len(log_probs_NxTxK))
    version = None
    if importlib.util.find_spec(PYCTCDECODE) is not None:
        version = importlib.metadata.version(PYCTCDECODE)
        ways += pyctcdecode_ways(model.alphabet, options.beam_width, min(options.peer_words, len(log_probs_NxTxK)))
    for way in ways:
        way.decode(log_probs_NxTxK[: way.rows])  # compiles
    for number in range(options.rounds):
        for way in rotate(ways, number):
            way.take_turn(log_probs_NxTxK)
    print(f"decoding, beam width {options.beam_width}, {len(log_probs_NxTxK):,} words ({data}) of {MODEL}'s frames")
    print(f"{machine}\n\n{describe_ways(ways)}")
    if version is None:
        print(f"{PYCTCDECODE}: skipped: {PYCTCDECODE} is not installed")
    numbers = {"data": data, "words": len(log_probs_NxTxK), "versions": {PYCTCDECODE: version}}
    write_numbers(options, {**numbers, "ways": ways_to_json(ways), "peak_bytes": peak_memory_bytes()})
    return 0


def our_ways(alphabet: Alphabet, width: int, rows: int) -> list[Way]:
    """Ours; language model and lexicon are of the package's English words."""
    words = load_words()
    ngrams = build_ngram_tables(train_language_model(words, order=6, characters=alphabet.characters), alphabet)
    lexicon = build_lexicon_tables(build_lexicon(words), alphabet)
    decoders: dict[str, Decoder] = {"greedy": GreedyDecoder(alphabet)}
    for label, with_ngrams, with_lexicon in (
        (OURS, False, False),
        (f"{OURS} + language model", True, False),
        (f"{OURS} + lexicon", False, True),
        (f"{OURS} + language model + lexicon", True, True),
    ):
        ngrams_file, lexicon_file = (TextFile("in memory") if given else None for given in (with_ngrams, with_lexicon))
        weights = usual_weights(DecoderSettings(OURS, language_model=ngrams_file, lexicon=lexicon_file))
        parts = TextParts(ngrams if with_ngrams else None, lexicon if with_lexicon else None, {})
        text_model = parts.build_text_model(weights)
        decoders[label] = BeamDecoder(alphabet, text_model, width=width, candidates=CANDIDATES)
    decoders[f"{OURS}, all characters tried"] = BeamDecoder(alphabet, width=width, candidates=None)
    return [Way(label, _first_texts(decoder), rows) for label, decoder in decoders.items()]


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
    rows = [("", "words/s (lowest - highest round)", "words/CPU s", "ours", "same text")]
    for way in ways:
        rates = way.samples_per_second
        speed = f"{statistics.median(rates):,.0f} ({min(rates):,.0f} - {max(rates):,.0f})"
        ratio = ratio_to_ours(ways, way)
        # With a text model it is meant to read other texts.
        same = "" if " + " in way.label else f"{same_texts(ways, way):.1%}"
        rows.append((way.label, speed, f"{way.words_per_cpu_second:,.0f}", f"{ratio:.1f} x" if ratio else "", same))
    return align_columns(rows, right=range(1, 5))


def ways_to_json(ways: Sequence[Way]) -> dict[str, Any]:
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


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.decode", main, sys.argv[1:], program=""))
