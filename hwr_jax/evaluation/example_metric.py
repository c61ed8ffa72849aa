"""The Keras example's "mean edit distance", error for error, to compare with its published numbers."""

from collections.abc import Sequence

import numpy as np

from hwr_jax.evaluation.evaluate import SampleResult
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.distance import edit_distance

# The metric's name in an evaluation's JSON, and in metrics.jsonl after "validation/".
EXAMPLE_METRIC = "example_mean_edit_distance"
LABEL_LENGTH = 21
LABEL_FILLER, PREDICTION_FILLER = 99, -1


def example_distance(label_ids: Sequence[int], predicted_ids: Sequence[int]) -> int:
    """The example's distance between a label and a prediction: both filled up to 21 ids, with fillers that never match.

    A perfectly read word of n letters is 21 - n away from its label. More than 21 ids of a label crash the example, and
    count here as they are; of a prediction they are cut.
    """
    label = [*label_ids, *[LABEL_FILLER] * (LABEL_LENGTH - len(label_ids))]
    predicted = [*predicted_ids, *[PREDICTION_FILLER] * (LABEL_LENGTH - len(predicted_ids))][:LABEL_LENGTH]
    # tf.sparse.from_dense, through which both go, drops zeros: the unknown class.
    return edit_distance([id for id in label if id], [id for id in predicted if id])


def mean_edit_distance(
    labels: Sequence[Sequence[int]], predictions: Sequence[Sequence[int]], batch_size: int = 64
) -> float:
    """The example's metric: the mean of the batches' means, in which a short last batch counts as much as a full one.

    Keras documentation, "Handwriting recognition" (Nain, Paul 2021), `EditDistanceCallback`. See docs/keras_example.md.
    Takes class ids of each sample, in the order of the batches. NaN without samples.
    """
    distances = [example_distance(*pair) for pair in zip(labels, predictions, strict=True)]
    means = [np.mean(distances[start : start + batch_size]) for start in range(0, len(distances), batch_size)]
    return float(np.mean(means)) if means else float("nan")


def metric_of_results(results: Sequence[SampleResult], alphabet: Alphabet, batch_size: int) -> float:
    """`mean_edit_distance` of an evaluation; characters outside the alphabet are the unknown class, as there."""
    ids = {character: index for index, character in enumerate(alphabet.characters, start=1)}
    labels = [[ids.get(character, 0) for character in result.truth] for result in results]
    return mean_edit_distance(labels, [result.prediction_ids for result in results], batch_size)
