"""Transcriptions to padded class ids, and which samples cannot be trained on."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hwr_jax.config import DataConfig
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.data.stored_images import select_images
from hwr_jax.text.alphabet import UNKNOWN, Alphabet
from hwr_jax.text.direction import to_visual
from hwr_jax.text.normalization import normalize_text

# Why a label cannot be trained on.
OUTSIDE_ALPHABET = "label has characters outside the alphabet"


@dataclasses.dataclass(frozen=True)
class Labels:
    """Transcriptions as class ids."""

    ids_NxL: np.ndarray  # class ids, int32, zeros after each label's end
    lengths_N: np.ndarray  # int32


def final_label(text: str, config: DataConfig) -> str:
    """A prepared transcription as a run with this config trains on it and is measured by it."""
    if config.last_token_labels:
        text = text.split(" ")[-1]
    if not (config.casefold or config.plain_marks):
        return text
    return normalize_text(text, casefold=config.casefold, plain_marks=config.plain_marks)


def frames_needed(text: str) -> int:
    """CTC frames that `text` takes at least: one a character, and a blank between equal neighbours (Graves 2006)."""
    return len(text) + sum(a == b for a, b in itertools.pairwise(to_visual(text)))


def why_untrainable(text: str, alphabet: Alphabet, frames: int) -> str | None:
    """The reason why a label cannot be trained on, or None."""
    if not text:
        return "empty label"
    if alphabet.outside(text):
        return OUTSIDE_ALPHABET
    if frames_needed(text) > frames:
        return f"label needs more than {frames} frames"
    return None


def find_untrainable(texts: Sequence[str], alphabet: Alphabet, frames: int | Sequence[int]) -> list[str | None]:
    """For each text the reason why it cannot be trained on, or None; `frames` of all images or of each."""
    frames = [frames] * len(texts) if isinstance(frames, int) else frames
    if len(set(frames)) == 1:
        return [why_untrainable(text, alphabet, frames[0]) for text in texts]
    reasons = [why_untrainable(text, alphabet, frames_needed(text)) for text in texts]
    # In the same words for all, so that they count together.
    too_long = "label needs more frames than its image has"
    return [
        reason or (too_long if frames_needed(text) > most else None)
        for reason, text, most in zip(reasons, texts, frames, strict=True)
    ]


def encode_labels(texts: Sequence[str], alphabet: Alphabet) -> Labels:
    """Class ids of trainable texts, padded to the longest."""
    lengths = np.zeros(len(texts), np.int32)

    def all_ids() -> Iterator[int]:
        for row, text in enumerate(texts):
            ids = alphabet.encode(text).tolist()
            lengths[row] = len(ids)
            yield from ids

    # One array of all, since a million small ones would take three times the memory.
    flat = np.fromiter(all_ids(), np.int32)
    padded = np.zeros((len(texts), max(lengths.tolist(), default=0)), dtype=np.int32)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = flat
    return Labels(padded, lengths)


def select_trainable(
    samples: PreprocessedSamples, alphabet: Alphabet, frames: int | Sequence[int], outside_alphabet: str = "drop"
) -> PreprocessedSamples:
    """The samples whose labels can be trained on; the others join `skipped` with their reasons.

    Labels must be in the alphabet and fit the frames, of all samples or of each. `outside_alphabet` "keep" puts
    `hwr_jax.text.alphabet.UNKNOWN` in place of characters outside the alphabet.
    """
    texts = tuple(map(alphabet.replace_outside, samples.texts)) if outside_alphabet == "keep" else samples.texts
    left_out = find_left_out(dict(zip(samples.ids, texts, strict=True)), alphabet, frames, outside_alphabet)
    if not left_out and texts == samples.texts:
        return samples
    samples = dataclasses.replace(samples, texts=texts, skipped=samples.skipped | left_out)
    return take(samples, np.flatnonzero([id not in left_out for id in samples.ids])) if left_out else samples


def find_left_out(
    labels: Mapping[str, str], alphabet: Alphabet, frames: int | Sequence[int], outside_alphabet: str
) -> dict[str, str]:
    """id -> reason, of the labels (by id) that `select_trainable` leaves out."""
    texts: Sequence[str] = [*labels.values()]
    if outside_alphabet == "keep":
        texts = [*map(alphabet.replace_outside, texts)]
        # A class more, where no label of a user's can have it.
        alphabet = Alphabet("".join(sorted({*alphabet.characters, UNKNOWN})))
    reasons = find_untrainable(texts, alphabet, frames)
    return {id: reason for id, reason in zip(labels, reasons, strict=True) if reason}


def take(samples: PreprocessedSamples, rows: np.ndarray) -> PreprocessedSamples:
    """The given rows, in their order; `skipped` stays as it is, and images in files stay there."""
    return PreprocessedSamples(
        ids=tuple(samples.ids[row] for row in rows),
        texts=tuple(samples.texts[row] for row in rows),
        writers=tuple(samples.writers[row] for row in rows),
        images_NxHxW=select_images(samples.images_NxHxW, rows),
        skipped=samples.skipped,
        widths_N=samples.widths_N[rows],
        sources=samples.sources and samples.sources.take(rows),
    )
