"""The helpers of `sweep()`: grids, pairs and random points."""

import itertools
import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwr_jax.errors import InputError
from hwr_jax.sweeps import SIGNIFICANT_DIGITS, product, sampled, zipped

NAMES = ("optimizer.learning_rate", "model.dropout", "seed", "data.batch_size")
# A deadline would measure the machine.
few = settings(max_examples=40, deadline=None)
ends = st.floats(1e-12, 1e12)
grids = st.dictionaries(st.sampled_from(NAMES), st.lists(st.integers(), max_size=4), max_size=4)


@few
@given(grids)
def test_a_product_is_the_nested_loops_over_its_fields(fields):
    looped = [dict(zip(fields, chosen, strict=True)) for chosen in itertools.product(*fields.values())]
    assert list(product(fields)) == looped
    assert list(product(*({name: values} for name, values in fields.items()))) == looped


@few
@given(grids, st.integers(0, 3))
def test_points_made_elsewhere_take_part_in_a_product(fields, count):
    points = [{"augment.shear": float(index)} for index in range(count)]
    assert list(product(points, fields)) == [{**point, **other} for point in points for other in product(fields)]
    assert list(product(iter(points), fields)) == list(product(points, fields))


@few
@given(st.lists(st.tuples(st.integers(), st.integers()), max_size=5))
def test_zipped_keeps_values_of_one_place_together(pairs):
    fields = {"a": [a for a, _ in pairs], "b": [b for _, b in pairs]}
    assert list(zipped(fields)) == [{"a": a, "b": b} for a, b in pairs]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: product({"seed": [1]}, {"seed": [2]}), "seed is in two parts"),
        (lambda: product({"seed": 3}), "write a list of values, [3]"),
        (lambda: product({"model.encoder": "keras"}), "['keras']"),
        (lambda: zipped({"a": [1, 2], "b": [1]}), "a 2, b 1"),
        (lambda: sampled({"a": (0.0, 1.0)}, count=1), "0 < low < high"),
        (lambda: sampled({"a": (2.0, 1.0)}, count=1), "0 < low < high"),
        (lambda: sampled({"a": (1.0, 2.0, 3.0)}, count=1), "0 < low < high"),
        (lambda: sampled({"a": ("x", "y")}, count=1), "0 < low < high"),
        (lambda: sampled({"a": []}, count=1), "no values"),
        (lambda: sampled({"a": 1.0}, count=1), "write a list"),
    ],
)
def test_a_slip_is_told(make, says):
    with pytest.raises(InputError) as told:
        list(make())
    assert says in str(told.value)


@few
@given(ends, ends, st.integers(0, 100))
def test_drawn_numbers_lie_in_their_range_and_are_short(low, high, seed):
    low, high = sorted((low, high))
    if not low < high:
        return
    for point in sampled({"x": (low, high)}, count=5, seed=seed):
        assert low <= point["x"] <= high
        assert point["x"] in (low, high, float(f"{point['x']:.{SIGNIFICANT_DIGITS}g}"))


@few
@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 100))
def test_whole_ends_give_whole_numbers(low, more, seed):
    for point in sampled({"n": (low, low + more)}, count=5, seed=seed):
        assert type(point["n"]) is int
        assert low <= point["n"] <= low + more


@few
@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 5))
def test_more_points_begin_with_the_same_and_fields_do_not_disturb_each_other(count, more, seed):
    rate, choice = {"rate": (1e-4, 1e-1)}, {"choice": ["a", "b", "c"]}
    first = list(sampled({**rate, **choice}, count=count, seed=seed))
    assert list(sampled({**choice, **rate}, count=count + more, seed=seed))[:count] == first
    assert [point["rate"] for point in first] == [point["rate"] for point in sampled(rate, count=count, seed=seed)]


def test_draws_are_uniform_in_the_logarithm_and_over_a_list():
    points = list(sampled({"rate": (1e-4, 1.0), "size": (1, 100), "name": ["a", "b"]}, count=4000, seed=1))
    # Four decades, each with a quarter; six standard deviations of a binomial count.
    for decade in range(-4, 0):
        inside = sum(10.0**decade <= point["rate"] < 10.0 ** (decade + 1) for point in points)
        assert abs(inside - 1000) < 6 * math.sqrt(4000 * 0.25 * 0.75)
    assert abs(sum(point["name"] == "a" for point in points) - 2000) < 6 * math.sqrt(1000)
    # A whole number n owns log(n + 1/2) - log(n - 1/2) of log(100.5) - log(0.5).
    for number in (1, 2, 10):
        share = math.log((number + 0.5) / (number - 0.5)) / math.log(100.5 / 0.5)
        drawn = sum(point["size"] == number for point in points)
        assert abs(drawn - 4000 * share) < 6 * math.sqrt(4000 * share * (1 - share))


def test_points_are_the_same_in_every_process():
    expected = [{"rate": 0.01145, "size": 6}]
    code = "from hwr_jax.sweeps import sampled; print(list(sampled({'rate': (1e-3, 1e-1), 'size': (1, 8)}, count=1)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(expected)


def test_sweeps_do_not_wait_for_jax():
    code = "import sys, hwr_jax.sweeps; print('jax' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
