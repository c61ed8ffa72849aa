"""Batches of tiles: each a function of its step, however processes and batches divide them."""

import numpy as np
import pytest

from hwr_jax.data.tiles import TileMaker
from hwr_jax.page_config import PageAugmentConfig, PageDataConfig, PageExperimentConfig, PageModelConfig
from hwr_jax.training.line_finding import TileFeed, build_page_parts


class Numbers(TileMaker):
    """Tiles that say which they are."""

    def __init__(self):
        pass

    def __call__(self, item):
        step, positions = item
        return {"images": np.full((len(positions), 2, 2), step, np.uint8), "turns": positions}


@pytest.fixture
def feed():
    return TileFeed(Numbers(), tiles=3, workers=1)


def test_batches_follow_their_steps(feed):
    batches = list(feed.batches(0, [range(4, 5), range(5, 6)]))
    assert [batch["images"].shape for batch in batches] == [(1, 3, 2, 2)] * 2
    assert [batch["images"][0, 0, 0, 0] for batch in batches] == [4, 5]
    assert batches[0]["positions"].tolist() == [[0, 1, 2]]
    assert batches[0]["weights"].tolist() == [[1, 1, 1]]


def test_weights_of_sets_are_how_often_their_documents_are_drawn(page_entries):
    maker = TileMaker(
        page_entries,
        PageDataConfig(names=("pages", "pages/more"), weights=(3.0, 1.0)),
        PageModelConfig(),
        PageAugmentConfig(),
        (),
        0,
    )
    documents, chances = maker._documents
    names = [(pages[0].data, pages[0].document, len(pages)) for pages in documents]
    assert names == [("pages", "a", 4), ("pages", "b", 1), ("pages/more", "a", 1)]
    np.testing.assert_allclose(chances, [0.75 * 2 / 3, 0.75 / 3, 0.25])


@pytest.fixture
def page_entries(tmp_path):
    from hwr_jax.data.page_sets import PageEntry

    of_sets = [("pages", "a")] * 4 + [("pages", "b"), ("pages/more", "a")]
    return tuple(
        PageEntry(f"{row}", document, data, tmp_path, "train", row) for row, (data, document) in enumerate(of_sets)
    )


def test_parts_of_a_config():
    parts = build_page_parts(PageExperimentConfig())
    assert parts.own == {}
    assert len(parts.source_effects) == 6
    assert not parts.step_effects
