"""The words of the benchmarks: synthetic handwriting, the same in every run."""

import itertools

import numpy as np

from experiments.benchmarks.peers import Words
from experiments.console import say
from hwr_jax.config import DataConfig, ModelConfig
from hwr_jax.data.formats.synthetic import SYNTHETIC, parse_synthetic
from hwr_jax.data.labels import encode_labels
from hwr_jax.data.loading import load_split
from hwr_jax.data.prepared import find_prepared
from hwr_jax.data.preprocessed import PreprocessedSamples, preprocess_samples
from hwr_jax.data.sample import Sample
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.ink.preprocessing import images_to_input
from hwr_jax.text.alphabet import resolve_alphabet

PREPROCESSING = "word"
SHORTEST, LONGEST = 3, 12
# The longest training label of IAM's words, to which the Keras example pads.
PADDED_LENGTH = 21
SYNTHETIC_SAMPLES = 2048
_WORDS_PER_WRITER = 16


def draw_words(count: int) -> list[Sample]:
    """So many synthetic words of SHORTEST to LONGEST characters, not preprocessed yet."""
    samples = parse_synthetic(writers=count, words_per_writer=_WORDS_PER_WRITER)
    return list(itertools.islice((sample for sample in samples if SHORTEST <= len(sample.text) <= LONGEST), count))


def make_words(count: int, model: ModelConfig) -> Words:
    """A batch of `draw_words`, preprocessed to the model's frame."""
    samples = preprocess_samples(draw_words(count), Preprocessing(model.height_px, model.width_px, PREPROCESSING))
    alphabet = resolve_alphabet(model.alphabet)
    labels = encode_labels(samples.texts, alphabet)
    labels_BxL = np.pad(labels.ids_NxL, ((0, 0), (0, PADDED_LENGTH - labels.ids_NxL.shape[1])))
    images_BxHxW = np.asarray(samples.images_NxHxW)
    images_BxWxHx1 = np.ascontiguousarray(images_to_input(images_BxHxW, PREPROCESSING))
    return Words(images_BxHxW, images_BxWxHx1, labels_BxL, labels.lengths_N, alphabet.num_classes)


def load_words_of(
    data: str, split: str, preprocessing: Preprocessing, *, limit: int
) -> tuple[PreprocessedSamples, str]:
    """The first `limit` samples (0: all) of a data set, or synthetic words where it is not prepared; and which."""
    if data != SYNTHETIC:
        if find_prepared(data) is not None:
            return load_split(DataConfig(name=data), split, preprocessing, limit=limit), f"{data}, {split}"
        say(f"{data} is not prepared: synthetic words in its place")
    return preprocess_samples(draw_words(limit or SYNTHETIC_SAMPLES), preprocessing), "synthetic words"
