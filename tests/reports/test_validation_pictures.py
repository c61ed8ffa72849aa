"""Pictures of a validation: they show samples, readings and confusions."""

import numpy as np
from PIL import ImageColor

from hwr_jax.evaluation.evaluate import Evaluation, SampleResult
from hwr_jax.reports.sheet import INK, WRONG
from hwr_jax.reports.validation_pictures import draw_confusions, draw_validation
from hwr_jax.text.distance import count_edits


def evaluation_of(*pairs):
    """Of truths and predictions."""
    results = tuple(
        SampleResult(
            id=str(index),
            writer="anna",
            truth=truth,
            prediction=read,
            prediction_ids=(),
            confidence=0.5,
            edits=count_edits(truth, read),
            loss=1.0,
            loss_excluded=None,
        )
        for index, (truth, read) in enumerate(pairs)
    )
    return Evaluation(results, {}, 1.0)


def pixels(picture, colour):
    return int((np.asarray(picture) == ImageColor.getrgb(colour)).all(axis=-1).sum())


def test_readings_and_confusions_are_drawn_with_errors_in_red():
    images_NxHxW = np.zeros((2, 32, 128), np.uint8)
    right, wrong = (
        draw_validation(evaluation_of(*pairs), images_NxHxW)
        for pairs in ([("an", "an"), ("in", "in")], [("an", "on"), ("in", "im")])
    )
    assert list(wrong) == ["validation/readings", "validation/confusions"]
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in wrong.values())
    for name in wrong:
        assert pixels(right[name], WRONG) == 0 < pixels(wrong[name], WRONG)


def test_no_samples_give_no_pictures():
    assert draw_validation(evaluation_of(), np.zeros((0, 32, 128), np.uint8)) == {}


def test_a_table_has_a_row_a_confusion_also_of_nothing():
    found = [
        {"truth": "n", "reading": "", "count": 1234, "share": 0.25},
        {"truth": "", "reading": " ", "count": 2, "share": None},
    ]
    one, two = draw_confusions(found[:1]), draw_confusions(found)
    assert two.height > one.height
    assert pixels(two, INK) > pixels(one, INK) > 0
