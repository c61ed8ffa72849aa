"""A trained model in memory and as a folder."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.config import ExperimentConfig, ModelConfig
from hwr_jax.errors import InputError
from hwr_jax.models.recognizer import Recognizer, count_parameters
from hwr_jax.models.trained import TrainedModel, build_trained, load_exported, pretrained_names, save_exported
from hwr_jax.strict import to_plain

TINY = ModelConfig(height_px=16, width_px=64, conv_features=(4, 4), dense_features=8, lstm_features=(8,))
CHARACTERS = "abcä"


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    image = jnp.zeros((1, TINY.width_px, TINY.height_px, 1))
    tree = jax.jit(Recognizer(TINY, len(CHARACTERS) + 3).init)(jax.random.key(0), image)["params"]
    return build_trained("tiny", to_plain(ExperimentConfig(model=TINY)), CHARACTERS, tree, "tiny")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (70, 16, 64), dtype=np.uint8)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_exported(model, folder, {"checkpoint": "run@7"})
    return folder


@pytest.fixture
def copy(exported, tmp_path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def read(model, images):
    """The log probabilities of images of which all columns count."""
    log_probs, frames = model.log_probs(images, np.full(len(images), 64, np.int32))
    assert frames.tolist() == [16] * len(images)
    return log_probs


def test_rows_are_log_probabilities_of_all_classes(model, frames):
    rows = read(model, frames[:3])
    assert (rows.shape, rows.dtype) == ((3, 16, 7), np.float32)
    np.testing.assert_allclose(np.exp(rows).sum(axis=-1), 1, rtol=1e-5)


def test_a_result_does_not_depend_on_what_is_read_beside_it(model, frames):
    together = read(model, frames)
    assert len(together) == 70
    np.testing.assert_array_equal(read(model, frames[:2]), together[:2])
    np.testing.assert_array_equal(read(model, frames[60:70]), together[60:70])
    np.testing.assert_array_equal(read(model, frames[[5, 69, 3]]), together[[5, 69, 3]])
    np.testing.assert_allclose(read(model, frames[9:10]), together[9:10], atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_no_images_are_no_rows(model, frames):
    assert read(model, frames[:0]).shape == (0, 16, 7)


def test_parameters_are_counted(model):
    assert model.parameters == count_parameters(model.tree) == sum(leaf.size for leaf in jax.tree.leaves(model.tree))


def test_an_exported_model_is_the_same_model(model, exported, frames):
    loaded = load_exported(exported)
    assert (loaded.name, loaded.alphabet, loaded.preprocessing) == (model.name, model.alphabet, model.preprocessing)
    assert loaded.config == model.config
    jax.tree.map(np.testing.assert_array_equal, loaded.tree, model.tree)
    np.testing.assert_array_equal(read(loaded, frames[:2]), read(model, frames[:2]))
    assert json.loads((exported / "model.json").read_text(encoding="utf-8"))["about"] == {"checkpoint": "run@7"}


@pytest.mark.parametrize("name", ["model.json", "parameters.npz"])
@pytest.mark.parametrize("left", [None, 0, 0.5, 0.99])
def test_a_damaged_file_is_wrong_input(copy, name, left):
    path = copy / name
    content = path.read_bytes()
    path.unlink()
    if left is not None:
        path.write_bytes(content[: int(left * len(content))])
    with pytest.raises(InputError, match=f"{copy}: not a whole exported model") as told:
        load_exported(copy)
    assert "\n" not in str(told.value)


def test_a_changed_byte_of_the_parameters_is_noticed(copy, model):
    path = copy / "parameters.npz"
    content = bytearray(path.read_bytes())
    content[content.index(np.asarray(model.tree["dense1"]["kernel"]).tobytes()) + 9] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="not a whole exported model"):
        load_exported(copy)


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 2}, "model format 2 is not 1, the one this version reads"),
        ({"characters": "abcde"}, r"dense2/bias is \(7,\), the config's model and alphabet ask for \(8,\)"),
        ({"characters": "ba"}, "characters must be distinct and in code point order"),
        ({"characters": ""}, "no characters"),
        ({"config": {}}, "not a whole exported model"),
        ({"config": {"model": {"hight_px": 16}, "data": {"preprocessing": "word"}}}, "did you mean 'height_px'"),
        ({"name": None, "config": None}, "not a whole exported model"),
    ],
)
def test_a_description_that_does_not_fit_is_wrong_input(copy, changes, says):
    rewrite(copy, **changes)
    with pytest.raises(InputError, match=says) as told:
        load_exported(copy)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("field", ["format", "name", "characters", "config"])
def test_a_description_without_a_field_is_wrong_input(copy, field):
    description = json.loads((copy / "model.json").read_text(encoding="utf-8"))
    del description[field]
    (copy / "model.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match="not a whole exported model"):
        load_exported(copy)


def test_a_missing_or_extra_array_is_named(copy, model):
    tree = {name: dict(layer) for name, layer in model.tree.items()}
    del tree["dense1"]["bias"]
    save_exported(dataclasses.replace(model, tree=tree), copy, {})
    with pytest.raises(InputError, match=r"dense1/bias is missing, the config's model and alphabet ask for \(8,\)"):
        load_exported(copy)
    tree["dense1"]["bias"], tree["other"] = model.tree["dense1"]["bias"], {"x": np.zeros(2)}
    save_exported(dataclasses.replace(model, tree=tree), copy, {})
    with pytest.raises(InputError, match=r"other/x is \(2,\), the config's model and alphabet ask for missing"):
        load_exported(copy)


def test_pickled_arrays_are_refused(copy, model):
    flat = {f"{layer}/{name}": leaf for layer, part in model.tree.items() for name, leaf in part.items()}
    flat["dense1/bias"] = np.array([{"a": 1}], dtype=object)
    np.savez(copy / "parameters.npz", **flat)
    with pytest.raises(InputError, match="not a whole exported model"):
        load_exported(copy)


def test_shipped_models_load_and_read(frames):
    for name in pretrained_names():
        shipped = load_exported(Path(__file__).parents[2] / "hwr_jax" / "pretrained" / name)
        height, width = shipped.preprocessing.height_px, shipped.preprocessing.width_px
        assert np.isfinite(shipped.log_probs(np.full((1, height, width), 255, np.uint8), np.full(1, width))[0]).all()
