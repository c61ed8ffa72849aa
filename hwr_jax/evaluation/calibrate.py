"""Fits what makes a decoder's probabilities those of being right, on the samples of a validation split."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hwr_jax.data.batches import batches_by_width
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.decoding.alignment import keep_characters, locate_frames
from hwr_jax.decoding.calibrated import BEST_PATH, calibrations_of
from hwr_jax.decoding.calibration import (
    calibration_error_by_chance,
    expected_calibration_error,
    fit_calibration,
)
from hwr_jax.decoding.decoder import Decoder, GreedyDecoder
from hwr_jax.decoding.posteriors import score_words_and_characters
from hwr_jax.decoding.risk_coverage import describe_risk
from hwr_jax.evaluation.evaluate import LogProbs
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.direction import to_visual
from hwr_jax.text.distance import count_edits, find_right

# Fewer samples, or fewer of them right or wrong, say too little of how often which confidence is right.
FEW_SAMPLES, FEW_RIGHT_OR_WRONG = 100, 10


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """Texts, or pieces of texts, that a decoder read, N in all."""

    probabilities_N: np.ndarray  # float64, by the decoder, or of pieces by the recognizer
    lengths_N: np.ndarray  # int, characters
    correct_N: np.ndarray  # bool, whether they are right

    @property
    def too_few(self) -> str:
        """Why nothing can be learnt from them, in a few words; "" where it can."""
        count, right = len(self.correct_N), int(self.correct_N.sum())
        if count < FEW_SAMPLES:
            return f"{count} of the {FEW_SAMPLES} it takes"
        what, least = min(("right", right), ("wrong", count - right), key=lambda one: one[1])
        return f"{least} {what} of the {FEW_RIGHT_OR_WRONG} it takes" if least < FEW_RIGHT_OR_WRONG else ""


@dataclasses.dataclass(frozen=True)
class DecoderOutcomes:
    """What a decoder made of a split."""

    texts: Outcomes
    words: Outcomes
    characters: Outcomes
    edits_N: np.ndarray  # int, from the truth to each text
    truth_lengths_N: np.ndarray  # int, characters
    log_paths_N: np.ndarray | None  # natural log probability of greedy decoding's best path, else None


def collect_outcomes(
    log_probs: LogProbs,
    alphabet: Alphabet,
    samples: PreprocessedSamples,
    decoders: Mapping[str, Decoder],
    *,
    batch_size: int,
    poll: Callable[[int], None] = lambda done: None,
) -> dict[str, DecoderOutcomes]:
    """Reads every sample once, decodes it with each decoder, and compares.

    `log_probs` is of the model, `poll` is given how many samples have been read; an exception it raises ends it.
    """
    found: dict[str, list[_Read]] = {label: [] for label in decoders}
    done = 0
    for rows, images_BxHxW, widths_B in batches_by_width(samples.images_NxHxW, samples.widths_N, batch_size):
        log_probs_BxTxK, frames_B = map(np.asarray, log_probs(images_BxHxW, widths_B))
        truths = [samples.texts[row] for row in rows]
        for label, decoder in decoders.items():
            found[label] += _read_batch(decoder, alphabet, log_probs_BxTxK, frames_B, truths)
        done += len(rows)
        poll(done)
    return {label: _join(read, isinstance(decoders[label], GreedyDecoder)) for label, read in found.items()}


@dataclasses.dataclass(frozen=True)
class _Read:
    probability: float
    log_path: float
    text: str
    truth: str
    # (probability, characters, whether right) of each
    words: list[tuple[float, int, bool]]
    characters: list[tuple[float, int, bool]]


def _read_batch(
    decoder: Decoder, alphabet: Alphabet, log_probs_BxTxK: np.ndarray, frames_B: np.ndarray, truths: Sequence[str]
) -> list[_Read]:
    """Of the first rows; those without a truth only fill the batch up."""
    found = decoder.decode(log_probs_BxTxK, frames_B)[: len(truths)]
    best = [row[0] if row else None for row in found]
    log_probs_BxTxK, frames_B = log_probs_BxTxK[: len(truths)], frames_B[: len(truths)]
    ids = [keep_characters(one.ids, alphabet.num_classes) if one else () for one in best]
    # As they stand on paper, as the frames have them.
    visual = ["".join(alphabet.characters[id - 1] for id in row) for row in ids]
    located = locate_frames(log_probs_BxTxK, ids, frames_B)
    scores = score_words_and_characters(log_probs_BxTxK, visual, ids, located, frames_B)
    read = []
    for one, truth, text, pieces in zip(best, truths, visual, scores, strict=True):
        seen = to_visual(truth)
        right = find_right(seen.split(), [text[begin:end] for begin, end in pieces.words])
        lengths = [end - begin for begin, end in pieces.words]
        read.append(
            _Read(
                one.probability if one else 0.0,
                one.score if one else -np.inf,
                one.text if one else "",
                truth,
                list(zip(pieces.words_W.tolist(), lengths, right, strict=True)),
                [(p, 1, ok) for p, ok in zip(pieces.characters_L.tolist(), find_right(seen, text), strict=True)],
            )
        )
    return read


def _join(read: Sequence[_Read], is_greedy: bool) -> DecoderOutcomes:
    edits = [count_edits(one.truth, one.text) for one in read]
    return DecoderOutcomes(
        texts=_outcomes([(one.probability, len(one.text), one.text == one.truth) for one in read]),
        words=_outcomes([word for one in read for word in one.words]),
        characters=_outcomes([character for one in read for character in one.characters]),
        edits_N=np.array([one.character_edits for one in edits]),
        truth_lengths_N=np.array([one.characters for one in edits]),
        log_paths_N=np.array([one.log_path for one in read]) if is_greedy else None,
    )


def _outcomes(rows: Sequence[tuple[float, int, bool]]) -> Outcomes:
    probabilities, lengths, correct = zip(*rows, strict=True) if rows else ((), (), ())
    return Outcomes(np.array(probabilities, np.float64), np.array(lengths, int), np.array(correct, bool))


def describe_fit(found: DecoderOutcomes, about: Mapping[str, Any]) -> dict[str, Any]:
    """Fits a decoder's calibrations: plain values for calibration.json, with what they were fitted on.

    Words and characters of which there are too few (see `Outcomes.too_few`) are left out. Of one "text", "word" and
    "character" hold the numbers of `Calibration`, how many there were ("samples"), which share was right ("right"), and
    the "expected_calibration_error" before, after, and by chance. "risk_coverage" is that of the texts, see
    `hwr_jax.decoding.risk_coverage.describe_risk`. Raises InputError: no samples.
    """
    text = _fit(found.texts, with_length=True)
    parts = {"word": (found.words, True), "character": (found.characters, False)}
    fitted = {
        name: _fit(outcomes, with_length) for name, (outcomes, with_length) in parts.items() if not outcomes.too_few
    }
    calibrated_N = calibrations_of({"text": text}).text.apply(found.texts.probabilities_N, found.texts.lengths_N)
    risk = describe_risk(calibrated_N, found.edits_N, found.truth_lengths_N)
    return {"text": text, **fitted, **about, "risk_coverage": risk}


def describe_best_path(found: DecoderOutcomes, about: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same of the best path alone, for programs that compute no more of it; None of other decoders than greedy."""
    if found.log_paths_N is None:
        return None
    paths = dataclasses.replace(found.texts, probabilities_N=np.exp(found.log_paths_N))
    return {"text": _fit(paths, with_length=False), **about}


def fit_all(found: Mapping[str, DecoderOutcomes], about: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What calibration.json holds of decoders by label, and of greedy decoding's best path."""
    fits = {label: describe_fit(outcomes, about) for label, outcomes in found.items()}
    for outcomes in found.values():
        if (path := describe_best_path(outcomes, about)) is not None:
            fits[BEST_PATH] = path
    return fits


def _fit(outcomes: Outcomes, with_length: bool) -> dict[str, Any]:
    probabilities_N, correct_N = outcomes.probabilities_N, outcomes.correct_N
    lengths_N = outcomes.lengths_N if with_length else None
    calibration = fit_calibration(probabilities_N, correct_N, lengths_N)
    calibrated_N = calibration.apply(probabilities_N, lengths_N)
    return {
        **dataclasses.asdict(calibration),
        "samples": len(correct_N),
        "right": float(correct_N.mean()),
        "expected_calibration_error_before": expected_calibration_error(probabilities_N, correct_N),
        "expected_calibration_error": expected_calibration_error(calibrated_N, correct_N),
        "expected_calibration_error_by_chance": calibration_error_by_chance(calibrated_N),
    }
