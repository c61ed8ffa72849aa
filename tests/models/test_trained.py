"""A trained model in memory and as a folder, and the models that come with the package."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.commands.options import load_config
from hwr_jax.config import ExperimentConfig, ModelConfig
from hwr_jax.data.formats.synthetic import parse_synthetic
from hwr_jax.data.preprocessed import preprocess_samples
from hwr_jax.errors import InputError
from hwr_jax.evaluation.evaluate import evaluate_samples
from hwr_jax.models.recognizer import Recognizer, count_parameters
from hwr_jax.models.trained import (
    PRETRAINED,
    TrainedModel,
    build_trained,
    load_exported,
    pretrained_names,
    save_exported,
)
from hwr_jax.strict import build_dataclass, to_plain
from hwr_jax.text.alphabet import IAM78

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


def test_shipped_models_load_and_read(frames, tmp_path):
    for name in pretrained_names():
        (tmp_path / name).symlink_to(PRETRAINED / name)
        # Elsewhere a model's shapes are checked when it is loaded; those of the package are checked here alone.
        shipped = load_exported(tmp_path / name)
        height, width = shipped.preprocessing.height_px, shipped.preprocessing.width_px
        assert np.isfinite(shipped.log_probs(np.full((1, height, width), 255, np.uint8), np.full(1, width))[0]).all()


@pytest.mark.parametrize("name", ["unipen_words", "unipen_words_seed"])
def test_word_models_are_the_seed_model(name):
    model = load_exported(PRETRAINED / name)
    assert model.parameters == 424_081
    assert model.alphabet.characters == IAM78
    assert all(np.isfinite(leaf).all() for layer in model.tree.values() for leaf in layer.values())


def test_the_large_model_of_words_is_a_residual_stack():
    model = load_exported(PRETRAINED / "unipen_words_large")
    assert build_dataclass(ExperimentConfig, model.config).model.encoder == "residual"
    assert model.parameters == 1_740_130
    assert model.alphabet.characters == IAM78


# Configs derive from one another: a change to one must not change what another says it trains.
@pytest.mark.parametrize("name", pretrained_names())
def test_each_was_trained_by_the_config_of_its_name(name, repository):
    stage = {"unipen_words_large": ":second", "latin_lines": ":third"}.get(name, "")
    config, _ = load_config([f"--config={repository / 'configs' / name}.py{stage}"])
    trained = build_dataclass(ExperimentConfig, load_exported(PRETRAINED / name).config)
    assert settle(trained) == settle(build_dataclass(ExperimentConfig, config.to_dict()))


def settle(config):
    """The config with what data of this size choose where it leaves that to them."""
    split = "writer" if config.data.split == "auto" else config.data.split
    data = dataclasses.replace(config.data, split=split, width_buckets=config.data.width_buckets or 8)
    return dataclasses.replace(config, data=data)


def test_they_are_few_and_small_enough_to_ship():
    small = ["copiste_lines", "unipen_lines", "unipen_words", "unipen_words_seed"]
    large = ["copiste_lines_large", "latin_lines", "unipen_lines_large", "unipen_words_large"]
    assert pretrained_names() == sorted(small + large)
    sizes = {name: sum(path.stat().st_size for path in (PRETRAINED / name).iterdir()) for name in small + large}
    assert max(sizes[name] for name in small) < 2_000_000
    assert sum(sizes.values()) < 36_000_000


# All but latin_lines never saw synthetic writers, and Copiste's lines are of French on paper. A model whose
# preprocessing or alphabet is not that of its training reads nothing.
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("unipen_words", 0.2),
        ("unipen_words_seed", 0.2),
        ("unipen_words_large", 0.2),
        ("copiste_lines", 0.5),
        ("copiste_lines_large", 0.5),
        ("latin_lines", 0.2),
        ("unipen_lines", 0.4),
        ("unipen_lines_large", 0.4),
    ],
)
def test_they_read_hands_of_another_kind(name, most):
    model = load_exported(PRETRAINED / name)
    samples = preprocess_samples(parse_synthetic(writers=20, words_per_writer=5), model.preprocessing)
    evaluation = evaluate_samples(model.log_probs, model.alphabet, samples)
    assert evaluation.totals.cer < most
