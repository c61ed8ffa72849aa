"""The Keras example's "mean edit distance", against facts of it and against TensorFlow."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.evaluation.evaluate import SampleResult
from hwr_jax.evaluation.example_metric import LABEL_LENGTH, example_distance, mean_edit_distance, metric_of_results
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.distance import count_edits

words = st.lists(st.integers(1, 78), min_size=1, max_size=LABEL_LENGTH)


@given(words)
def test_a_perfect_word_is_as_far_away_as_it_is_short(ids):
    assert example_distance(ids, ids) == LABEL_LENGTH - len(ids)


@given(words, words)
def test_it_is_never_less_than_what_is_filled_up(label, predicted):
    assert example_distance(label, predicted) >= LABEL_LENGTH - max(len(label), len(predicted))


def test_a_short_last_batch_counts_as_much_as_a_full_one():
    label = [1, 2, 3]
    assert mean_edit_distance([label] * 5, [label] * 4 + [[]], batch_size=4) == (18 + 21) / 2
    assert np.isnan(mean_edit_distance([], []))


def test_results_are_encoded_as_the_example_encodes_them():
    alphabet = Alphabet("abc")
    result = SampleResult("s", "w", "aéb", "ab", 1.0, count_edits("aéb", "ab"), (1, 2), None, None)
    # The unknown character becomes class 0, which the example drops: 18 fillers are wrong, and one is missing.
    assert metric_of_results([result], alphabet, 64) == mean_edit_distance([[1, 0, 2]], [[1, 2]])
    assert metric_of_results([result], alphabet, 64) == 19


EXAMPLE = """
import json, sys
import numpy as np, tensorflow as tf
labels, predictions = json.load(sys.stdin)
labels = tf.constant([label + [99] * (21 - len(label)) for label in labels], tf.int64)
dense = tf.constant([ids + [-1] * (32 - len(ids)) for ids in predictions], tf.int64)[:, :21]
labels = tf.cast(tf.sparse.from_dense(labels), tf.int64)
predictions = tf.cast(tf.sparse.from_dense(dense), tf.int64)
print(float(tf.reduce_mean(tf.edit_distance(predictions, labels, normalize=False))))
"""


def test_tensorflow_says_the_same():
    pytest.importorskip("tensorflow", reason="TensorFlow is the oracle")
    random = np.random.default_rng(0)
    labels = [random.integers(0, 6, random.integers(1, 22)).tolist() for _ in range(40)]
    predictions = [random.integers(0, 6, random.integers(0, 33)).tolist() for _ in range(38)] + labels[38:]
    # The sparse tensors of TensorFlow need a last column that is not empty, as full batches have.
    labels[0], predictions[0] = [1] * 21, [1] * 21
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLE],
        input=json.dumps([labels, predictions]),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert mean_edit_distance(labels, predictions) == pytest.approx(float(done.stdout), abs=1e-5)
