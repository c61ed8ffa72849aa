"""Growth with the number of samples: every stage is measured, and images that are made up need no memory."""

import numpy as np

from experiments.benchmarks.growth import MadeUpImages, make_samples, measure_stages, tabulate


def test_every_stage_is_measured():
    measured = measure_stages(120)
    assert [*measured] == ["prepare", "check", "preprocess", "load", "epoch", "bytes a sample", "peak MB"]
    assert all(measured[stage] > 0 for stage in ("prepare", "check", "preprocess", "load", "epoch", "peak MB"))


def test_no_two_samples_are_alike():
    samples = list(make_samples(100))
    assert len({sample.image for sample in samples}) == len({sample.id for sample in samples}) == 100
    assert samples == list(make_samples(100))


def test_made_up_images_are_the_same_whenever_they_are_read():
    images = MadeUpImages(10**9)
    assert len(images) == 10**9
    rows = np.array([5, 999_999_999, 6])
    read = images[rows]
    assert read.shape == (3, *images.shape[1:])
    np.testing.assert_array_equal(read[1:], images[rows[1:]])
    assert (read[0] != read[2]).any()


def test_a_slope_is_that_of_the_logarithms():
    table = tabulate([10, 100], [{"straight": 1.0, "square": 1.0}, {"straight": 10.0, "square": 100.0}])
    assert [line.split()[-1] for line in table.splitlines()] == ["slope", "1.00", "2.00"]
