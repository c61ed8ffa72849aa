"""Mixtures: what of each data set an epoch holds, whose a sample is, and what is refused."""

import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.config import DataConfig
from hwr_jax.data.batches import BucketedRows, build_buckets
from hwr_jax.data.mixture import Draws, group_by_source, make_draws, rule_of, samples_an_epoch, source_of, sources_of
from hwr_jax.data.splits import rule_name
from hwr_jax.errors import InputError
from hwr_jax.mixture_config import MixtureSource


def mixture(**sources: MixtureSource) -> DataConfig:
    return DataConfig(name="mixture/test", mixture=sources)


def ids_of(**counts: int) -> list[str]:
    return [f"{key}/{n}" for key, count in counts.items() for n in range(count)]


LETTERS, WILLS = MixtureSource("pairs/letters"), MixtureSource("manifest/wills", weight=0.5)


def draw(config: DataConfig, ids: list[str], epochs: int, seed: int = 0) -> list[list[str]]:
    """The ids of the samples of each epoch."""
    draws = make_draws(ids, config, seed)
    assert draws is not None
    return [[ids[row] for row in draws.rows(epoch)] for epoch in range(epochs)]


@given(
    samples=st.lists(st.integers(1, 30), min_size=2, max_size=4),
    weights=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 3.0]), min_size=4, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_weight_says_how_often_a_sample_comes(samples, weights, seed):
    sources = {f"s{n}": MixtureSource("pairs/x", weight=weight) for n, weight in enumerate(weights[: len(samples)])}
    if not any(source.weight for source in sources.values()):
        return
    ids = ids_of(**{f"s{n}": count for n, count in enumerate(samples)})
    epochs = draw(mixture(**sources), ids, 8, seed)
    for n, count in enumerate(samples):
        weight = weights[n]
        an_epoch = max(1, round(weight * count)) if weight else 0
        assert all(sum(source_of(id) == f"s{n}" for id in epoch) == an_epoch for epoch in epochs)
        # In permutations one after the other: none comes twice more often than another at any time.
        seen: collections.Counter[str] = collections.Counter({id: 0 for id in ids if source_of(id) == f"s{n}"})
        for epoch in epochs:
            seen.update(id for id in epoch if source_of(id) == f"s{n}")
            assert max(seen.values()) - min(seen.values()) <= 1
    assert {len(epoch) for epoch in epochs} == {samples_an_epoch(ids, mixture(**sources))}


def test_a_source_is_drawn_alike_whatever_else_there_is():
    ids = ids_of(letters=9, wills=7)
    alone = draw(mixture(wills=WILLS), [id for id in ids if source_of(id) == "wills"], 5)
    beside = draw(mixture(letters=LETTERS, wills=WILLS), ids, 5)
    assert alone == [[id for id in epoch if source_of(id) == "wills"] for epoch in beside]
    assert beside != draw(mixture(letters=LETTERS, wills=WILLS), ids, 5, seed=1)


def test_shares_of_a_batch():
    ids = ids_of(a=100, b=10, c=50)
    shared = mixture(
        a=MixtureSource("pairs/a", share=0.25), b=MixtureSource("pairs/b", share=0.5), c=MixtureSource("pairs/c")
    )
    draws = make_draws(ids, shared, 0)
    assert draws is not None
    assert draws.counts == {"a": 50, "b": 100, "c": 50}  # c has its 50, and they are the rest of a whole
    whole = mixture(a=MixtureSource("pairs/a", share=0.2), b=MixtureSource("pairs/b", share=0.8))
    draws = make_draws(ids_of(a=30, b=10), whole, 0)
    assert draws is not None
    assert draws.counts == {"a": 8, "b": 32}


def test_batches_hold_what_an_epoch_draws():
    ids = ids_of(letters=21, wills=12)
    draws = make_draws(ids, mixture(letters=LETTERS, wills=WILLS), seed=3)
    assert draws is not None
    buckets = build_buckets(np.arange(1, 34, dtype=np.int32), 3)
    rows = BucketedRows(buckets, 4, seed=3, draws=draws)
    for epoch in range(3):
        batches = np.stack([rows[step] for step in range(7 * epoch, 7 * (epoch + 1))])
        assert batches.shape == (7, 4)  # 21 + 6 samples
        assert sorted(batches[batches >= 0]) == sorted(draws.rows(epoch))
        assert (rows.epochs(7 * epoch) == epoch).all()


def test_sources_have_configs_of_their_own():
    config = DataConfig(
        name="mixture/all",
        casefold=True,
        workers=3,
        mixture={"l": MixtureSource("pairs/letters", split="page", plain_marks=True), "w": WILLS},
    )
    letters, wills = sources_of(config).values()
    assert (letters.name, letters.split, letters.casefold, letters.plain_marks) == ("pairs/letters", "page", True, True)
    assert (wills.name, wills.split, wills.plain_marks, wills.workers, wills.mixture) == (
        *("manifest/wills", "auto", False, 3),
        {},
    )
    # Evaluations ask for one by its name in the mixture, or by its own; others are what they were.
    assert config.of("l") == config.of("pairs/letters") == letters
    assert config.of("mixture/all") is config
    assert config.of("iam_words").name == "iam_words"
    alone = DataConfig(name="iam_words", split="writer")
    assert sources_of(alone) == {"": alone}
    assert make_draws(["1", "2"], alone, 0) is None
    assert samples_an_epoch(["1", "2"], alone) == 2
    assert group_by_source(["1"], alone) == {}


def test_the_rule_of_a_mixture_names_those_of_its_sources():
    def rule(first: str, second: str) -> str:
        return rule_of(mixture(a=MixtureSource("pairs/a", split=first), b=MixtureSource("pairs/b", split=second)))

    assert rule("writer", "page") == rule("writer", "page") != rule("page", "writer")
    assert rule("writer", "page").startswith("mixture-")
    assert rule_of(DataConfig(name="iam_words", split="writer")) == rule_name("writer")


@pytest.mark.parametrize(
    ("name", "sources", "message"),
    [
        ("mixture/x", {}, r"data\.mixture: 'mixture/x' has no data sets"),
        ("iam_words", {"a": LETTERS}, r"data\.name: 'iam_words' is one data set"),
        ("mixture", {"a/b": LETTERS}, r"data\.mixture\.a/b: has a slash"),
        ("mixture", {"a": MixtureSource()}, r"data\.mixture\.a: names no data set"),
        ("mixture", {"a": MixtureSource("pairs/a", weight=0.0)}, "all weights are 0"),
        ("mixture", {"a": MixtureSource("pairs/a", share=0.5)}, "the shares sum to 0.5"),
        ("mixture", {"a": MixtureSource("pairs/a", share=1.0), "b": LETTERS}, "the shares sum to 1"),
        ("mixture", {"a": MixtureSource("pairs/a", share=1.5)}, "the shares sum to 1.5"),
    ],
)
def test_mixtures_that_make_no_sense_are_refused(name, sources, message):
    with pytest.raises(InputError, match=message):
        DataConfig(name=name, mixture=sources)


def test_wrong_values_of_a_source_are_refused():
    with pytest.raises(InputError, match=r"data\.mixture\.weight: -1"):
        MixtureSource("pairs/a", weight=-1.0)
    with pytest.raises(InputError, match=r"data\.mixture\.unit: 'page' is none of word, line"):
        MixtureSource("pairs/a", unit="page")
    with pytest.raises(InputError, match=r"data\.reshuffle"):
        DataConfig(name="mixture", mixture={"a": LETTERS}, reshuffle=False)


def test_a_source_of_which_nothing_is_left_is_refused_but_where_it_is_only_measured():
    with pytest.raises(InputError, match=r"data\.mixture\.wills: no training samples are left in 'manifest/wills'"):
        make_draws(ids_of(letters=4), mixture(letters=LETTERS, wills=WILLS), 0)
    only_measured = MixtureSource("manifest/wills", weight=0.0)
    draws = make_draws(ids_of(letters=4), mixture(letters=LETTERS, wills=only_measured), 0)
    assert isinstance(draws, Draws)
    assert len(draws) == 4
