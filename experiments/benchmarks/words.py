"""The words of the benchmarks: synthetic handwriting, the same in every run."""

import itertools
from pathlib import Path

import numpy as np

from experiments.benchmarks.task import Words
from hwr_jax.config import ModelConfig
from hwr_jax.data.formats.synthetic import parse_synthetic
from hwr_jax.data.labels import Labels, encode_labels
from hwr_jax.data.preprocessed import preprocess_samples
from hwr_jax.data.sample import Sample
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.ink.preprocessing import images_to_input
from hwr_jax.text.alphabet import resolve_alphabet

PREPROCESSING = "word"
SHORTEST, LONGEST = 3, 12
# The longest training label of IAM's words, to which the Keras example pads.
PADDED_LENGTH = 21
_WORDS_PER_WRITER = 16


def draw_words(count: int) -> list[Sample]:
    """So many synthetic words of SHORTEST to LONGEST characters, not preprocessed yet."""
    samples = parse_synthetic(writers=count, words_per_writer=_WORDS_PER_WRITER)
    return list(itertools.islice((sample for sample in samples if SHORTEST <= len(sample.text) <= LONGEST), count))


def pad_labels(labels: Labels) -> Labels:
    """The labels padded to PADDED_LENGTH, whatever the longest of them."""
    missing = PADDED_LENGTH - labels.ids_NxL.shape[1]
    return Labels(np.pad(labels.ids_NxL, ((0, 0), (0, missing))), labels.lengths_N)


def make_words(count: int, model: ModelConfig) -> Words:
    """A batch of `draw_words`, preprocessed to the model's frame."""
    samples = preprocess_samples(draw_words(count), Preprocessing(model.height_px, model.width_px, PREPROCESSING))
    alphabet = resolve_alphabet(model.alphabet)
    labels = pad_labels(encode_labels(samples.texts, alphabet))
    images_BxHxW = np.asarray(samples.images_NxHxW)
    images_BxWxHx1 = np.ascontiguousarray(images_to_input(images_BxHxW, PREPROCESSING))
    return Words(images_BxHxW, images_BxWxHx1, labels.ids_NxL, labels.lengths_N, alphabet.num_classes)


def save_words(words: Words, path: Path) -> None:
    """Writes what `experiments.benchmarks.task.load_words` reads."""
    np.savez(
        path,
        grey=words.images_BxHxW,
        images=words.images_BxWxHx1,
        labels=words.labels_BxL,
        lengths=words.lengths_B,
        num_classes=words.num_classes,
    )
