"""Images made anew from their sources: the same for any workers, resume and processes; nothing changed, the cached."""

import subprocess
import sys

import numpy as np
import pytest

from hwr_jax.config import DataConfig
from hwr_jax.data.batches import build_buckets
from hwr_jax.data.labels import Labels, take
from hwr_jax.data.loading import ensure_prepared, load_split
from hwr_jax.data.pipeline import make_batch_of_step, make_batches, plan_dispatches, sample_arrays
from hwr_jax.data.source_images import ImageMaker
from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing

BATCH, SEED = 8, 3


class Same:
    def apply(self, grey_HxW, rng):
        return grey_HxW


class Noise:
    def apply(self, grey_HxW, rng):
        return np.where(rng.random(grey_HxW.shape) < 0.2, 0, grey_HxW).astype(np.uint8)


class Wider:
    def apply(self, grey_HxW, rng):
        return np.repeat(grey_HxW, 3, axis=1)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    data_dir = str(tmp_path_factory.mktemp("data"))
    config = DataConfig(data_dir=data_dir, split="writer", writers=25, words_per_writer=2, workers=1)
    ensure_prepared(config)
    return config


def load(config, kind="line"):
    return load_split(config, "train", Preprocessing(32, 256, kind))


def batches_of(samples, effects, *, kind="line", start=0, stop=12, workers=1, process=0, processes=1, reshuffle=True):
    count = len(samples)
    labels = Labels(np.zeros((count, 1), np.int32), np.zeros(count, np.int32))
    batch_of_step = make_batch_of_step(
        sample_arrays(samples.images_NxHxW, samples.widths_N, labels),
        batch_size=BATCH,
        seed=SEED,
        reshuffle=reshuffle,
        buckets=build_buckets(samples.widths_N, 3) if kind == "line" else None,
        sources=samples.sources if effects else None,
        process_index=process,
        process_count=processes,
    )
    maker = ImageMaker(samples.sources.parts, effects, Preprocessing(32, 256, kind), SEED) if effects else None
    return list(
        make_batches(batch_of_step, plan_dispatches(start, stop, 1 if kind == "line" else 3, ()), maker, workers)
    )


def assert_same(some, others):
    assert len(some) == len(others)
    for a, b in zip(some, others, strict=True):
        for name in a.keys() & b.keys():
            np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize("kind", ["line", "word", "keras"])
@pytest.mark.parametrize("reshuffle", [True, False])
def test_nothing_changed_gives_the_cached_images(config, kind, reshuffle):
    samples = load(config, kind)
    made = batches_of(samples, (Same(),), kind=kind, reshuffle=reshuffle)
    assert_same(batches_of(samples, (), kind=kind, reshuffle=reshuffle), made)
    assert made[0]["images"].dtype == np.uint8
    widths = {batch["widths"].dtype for batch in made}
    assert widths == {np.dtype(np.int32)}
    selected = take(samples, np.arange(len(samples))[::2])
    assert_same(batches_of(selected, (), kind=kind), batches_of(selected, (Same(),), kind=kind))


def test_what_is_drawn_depends_on_the_seed_the_sample_and_the_epoch_alone(config):
    samples = load(config)
    batches = batches_of(samples, (Noise(),))
    assert_same(batches, batches_of(samples, (Noise(),), workers=2))
    assert_same(batches[7:], batches_of(samples, (Noise(),), start=7))
    shares = [batches_of(samples, (Noise(),), process=process, processes=2) for process in range(2)]
    for whole, *parts in zip(batches, *shares, strict=True):
        for name in ("images", "widths", "positions", "weights"):
            np.testing.assert_array_equal(whole[name], np.concatenate([part[name] for part in parts], axis=1))
    drawn = [pair for b in batches for pair in zip(b["images"][0], b["weights"][0], strict=True)]
    images = [image.tobytes() for image, weight in drawn if weight]
    assert len(images) == 2 * len(samples)
    assert len(set(images)) == len(images)


def test_an_image_that_grew_is_fitted_into_its_bucket(config):
    samples = load(config)
    for plain, wider in zip(batches_of(samples, ()), batches_of(samples, (Wider(),)), strict=True):
        assert plain["images"].shape == wider["images"].shape
        assert (wider["widths"] <= wider["images"].shape[-1]).all()
        assert (wider["images"].min(axis=-1)[..., -1] <= 255).all()


class Broken:
    def apply(self, grey_HxW, rng):
        return grey_HxW / 255


def test_an_effect_that_gives_no_image_is_named(config):
    with pytest.raises(InputError, match=r"synthetic-w\d+-\d+: Broken.apply gave no uint8 image"):
        batches_of(load(config), (Broken(),))


SCRIPT = """
import sys
import numpy as np
from hwr_jax.data.parallel import map_in_order

print("once")
half = 0.5
class Halver:
    def __call__(self, number):
        return number * half

print(sum(map_in_order(Halver(), range(10), workers=2, chunk_items=1)))
"""


def test_functions_of_a_script_run_in_processes_that_do_not_run_it_again(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["once", "22.5"]), done.stderr
