"""Flat and nested dicts are two forms of one thing."""

from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.nested import flatten, unflatten

NAMES = st.text(alphabet="abc_1", min_size=1, max_size=3)
TREES = st.recursive(
    st.dictionaries(NAMES, st.integers(), min_size=1, max_size=3),
    lambda below: st.dictionaries(NAMES, below | st.integers(), min_size=1, max_size=3),
    max_leaves=12,
)


def test_keys_are_joined():
    assert flatten({"a": {"b": 1, "c": {"d": 2}}, "e": 3}, ".") == {"a.b": 1, "a.c.d": 2, "e": 3}


@given(TREES)
def test_there_and_back(tree):
    flat = flatten(tree, "/")
    assert unflatten(flat, "/") == tree
    assert not any(isinstance(leaf, dict) for leaf in flat.values())
