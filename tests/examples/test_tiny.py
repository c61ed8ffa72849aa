"""The idea in one file: its losses are the package's, on one device and on two, and it trains, stops and goes on."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from rapidfuzz.distance import Levenshtein

from hwr_jax.config import ModelConfig
from hwr_jax.data.formats.synthetic import parse_synthetic
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.training.losses import ctc_losses

CHARACTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def tiny(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny", repository / "examples" / "tiny.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def iam(tmp_path_factory) -> Path:
    """A folder laid out as IAM, of 96 words on eight pages, and a word that is marked as badly segmented."""
    folder = tmp_path_factory.mktemp("iam")
    rows = ["# name result grey x y w h tag text"]
    for number, sample in enumerate(parse_synthetic(writers=8, words_per_writer=12)):
        name = f"a0{number // 12}-000u-00-{number % 12:02d}"
        path = folder / "words" / name[:3] / name[:8] / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample.image_bytes())
        rows.append(f"{name} ok 154 0 0 0 0 AT {sample.text}")
    rows.append("a00-000u-09-09 err 154 0 0 0 0 AT broken")
    (folder / "words.txt").write_text("\n".join(rows) + "\n")
    return folder


def make_batch(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, labels that end in -1, and their lengths."""
    rng = np.random.default_rng(size)
    lengths_B = rng.integers(1, 9, size=size)
    labels_BxL = np.where(np.arange(32) < lengths_B[:, None], rng.integers(0, len(CHARACTERS), (size, 32)), -1)
    return rng.random((size, 128, 32, 1), dtype=np.float32), labels_BxL.astype(np.int32), lengths_B.astype(np.int32)


def test_losses_are_those_of_the_package_step_for_step(tiny) -> None:
    """Both take Adam steps from the same parameters on the same batches, without dropout."""
    # The package keeps classes for an unknown and an unused character beside the blank: here they are characters.
    num_classes = len(CHARACTERS) + 1
    config = ModelConfig(dropout=0.0, lstm_dropout=0.0)
    package, ours = Recognizer(config, num_classes), tiny.Recognizer(num_classes, dropout=0.0, lstm_dropout=0.0)
    start = package.init(jax.random.key(3), jnp.zeros((1, 128, 32, 1)))["params"]
    optimizer = optax.adam(1e-3)

    @jax.jit
    def package_step(parameters, state, images, labels, lengths):
        def loss(parameters):
            logits, *_ = package.apply({"params": parameters}, images)
            frames = jnp.full(len(images), logits.shape[1], jnp.int32)
            return ctc_losses(logits, jnp.maximum(labels, 0), lengths, frames).mean()

        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, state = optimizer.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    step = tiny.make_step(ours, optimizer, devices=1)
    mine, theirs = tiny.State(jnp.zeros((), jnp.int32), start, optimizer.init(start)), (start, optimizer.init(start))
    for size in (4, 5, 4, 5):
        images, labels, lengths = make_batch(size)
        mine, loss = step(mine, images, labels)
        *theirs, expected = package_step(*theirs, images, labels, lengths)
        assert float(loss) == pytest.approx(float(expected), rel=1e-4)
    assert int(mine.step) == 4


def test_a_step_on_several_devices_is_that_of_one(tiny) -> None:
    devices = 2
    if jax.local_device_count() < devices:
        pytest.skip("needs two devices")
    model = tiny.Recognizer(len(CHARACTERS) + 1, dropout=0.0, lstm_dropout=0.0)
    parameters = model.init(jax.random.key(0), jnp.zeros((1, 128, 32, 1)))["params"]
    optimizer = optax.sgd(0.1)
    state = tiny.State(jnp.zeros((), jnp.int32), parameters, optimizer.init(parameters))
    images, labels, _ = make_batch(8)
    one, loss = tiny.make_step(model, optimizer, 1)(state, images, labels)
    copies = jax.tree.map(lambda array: jnp.stack([array] * devices), state)
    shards = tiny.shard(images, devices), tiny.shard(labels, devices)
    several, losses = tiny.make_step(model, optimizer, devices)(copies, *shards)
    np.testing.assert_allclose(losses, [float(loss)] * devices, rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b[1], rtol=1e-4, atol=1e-6), one.parameters, several.parameters
    )


def test_texts_are_decoded_and_compared(tiny) -> None:
    blank = len(CHARACTERS)
    path = [blank, 0, 0, blank, 0, 1, 1, blank, 25]
    assert tiny.decode(np.eye(blank + 1)[path], CHARACTERS) == "aabz"
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = ("".join(rng.choice([*"abc"], rng.integers(0, 8))) for _ in range(2))
        assert tiny.edit_distance(a, b) == Levenshtein.distance(a, b)


def test_words_are_split_by_page(tiny, iam) -> None:
    train, test, characters = tiny.load(iam)
    assert set("".join(train.texts)) == set(characters)
    assert "broken" not in train.texts + test.texts
    assert 0 < len(train.texts) <= 96
    row = train.labels_NxL[0]
    assert "".join(characters[number] for number in row[row >= 0]) == train.texts[0]
    assert train.images_NxWxHx1[0].min() < 0.5 < train.images_NxWxHx1[0].max()
    assert not tiny.fits("l" * 17)  # 17 characters and 16 blanks between them
    assert tiny.fits("l" * 16)


def test_it_trains_and_goes_on(repository, iam, tmp_path, run_environment) -> None:
    command = [sys.executable, str(repository / "examples" / "tiny.py"), str(iam), str(tmp_path / "run")]

    def epochs(number: int) -> list[str]:
        done = subprocess.run(
            [*command, f"--epochs={number}"], env=run_environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return [line for line in done.stdout.splitlines() if line.startswith("epoch ")]

    first, second = epochs(1), epochs(2)
    assert [line.partition(":")[0] for line in first + second] == ["epoch 1", "epoch 2"]
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in first + second]
    assert losses[1] < losses[0]


def test_it_imports_nothing_of_the_package(repository) -> None:
    text = (repository / "examples" / "tiny.py").read_text()
    assert "import hwr_jax" not in text
    assert "from hwr_jax" not in text
    assert len(text.splitlines()) <= 270
