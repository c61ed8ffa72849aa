"""Parameters carried over to a model with other characters."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.config import ExperimentConfig, ModelConfig
from hwr_jax.errors import InputError
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import TrainedModel, build_trained
from hwr_jax.nested import flatten
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.init_from import (
    Beginning,
    blend,
    carry_over,
    check_layers,
    compare_characters,
    find_init_from,
    write_init_from,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")

SMALL = ModelConfig(width_px=32, height_px=16, conv_features=(2, 2), dense_features=4, lstm_features=(4,))
RESIDUAL = dataclasses.replace(SMALL, encoder="residual", conv_blocks=(0, 1), shortcut=True)


def parameters(alphabet: Alphabet, seed: int, config: ModelConfig = SMALL):
    image = jnp.zeros((1, config.width_px, config.height_px, 1))
    return jax.jit(Recognizer(config, alphabet.num_classes).init)(jax.random.key(seed), image)["params"]


def logits(tree, alphabet: Alphabet, config: ModelConfig = SMALL) -> np.ndarray:
    """Of the classes; and beside them, on a first axis, of the shortcut to them if there is one."""
    image = jax.random.uniform(jax.random.key(5), (2, config.width_px, config.height_px, 1))
    model = Recognizer(config, alphabet.num_classes)
    if not config.shortcut:
        return np.asarray(jax.jit(model.apply)({"params": tree}, image)[0])
    keys = jax.random.split(jax.random.key(6), 2)
    outputs, _ = jax.jit(lambda tree: model.apply_in_training({"params": tree}, image, None, keys))(tree)
    return np.asarray([outputs["logits"], outputs["shortcut"]])


@pytest.mark.parametrize("config", [SMALL, RESIDUAL], ids=["keras", "residual"])
@pytest.mark.parametrize("characters", ["abc", "abcdé", "ace", "xyz", "Zabc"])
def test_logits_of_what_both_models_know_are_the_same(characters: str, config: ModelConfig) -> None:
    old, new = Alphabet("abc"), Alphabet("".join(sorted(characters)))
    trained, fresh = parameters(old, 1, config), parameters(new, 2, config)
    carried = carry_over(trained, old, fresh, new, Recognizer(config, 0).parameter)
    before, after = logits(trained, old, config), logits(jax.tree.map(jnp.asarray, carried), new, config)
    for character in set("abc") & set(characters):
        places = old.encode(character)[0], new.encode(character)[0]
        np.testing.assert_allclose(after[..., places[1]], before[..., places[0]], rtol=1e-6)
    for old_class, new_class in ((0, 0), (old.blank_id, new.blank_id), (old.blank_id - 1, new.blank_id - 1)):
        np.testing.assert_allclose(after[..., new_class], before[..., old_class], rtol=1e-6)
    kernel, fresh_kernel = flatten(carried, "/")["dense2/kernel"], flatten(fresh, "/")["dense2/kernel"]
    changes = compare_characters(old, new)
    for character in changes.new:
        place = new.encode(character)[0]
        np.testing.assert_array_equal(kernel[:, place], fresh_kernel[:, place])
    assert set(changes.kept) == set("abc") & set(characters)
    assert set(changes.new) == set(characters) - set("abc")
    assert set(changes.dropped) == set("abc") - set(characters)


@pytest.mark.parametrize("config", [SMALL, RESIDUAL], ids=["keras", "residual"])
@pytest.mark.parametrize("characters", ["abc", "Zabcé"])
def test_a_blend_lies_between_both_models_and_new_characters_are_as_trained(characters, config) -> None:
    old, new = Alphabet("abc"), Alphabet(characters)
    trained, after = parameters(old, 1, config), parameters(new, 2, config)
    parameter_of = Recognizer(config, 0).parameter
    at = {share: flatten(blend(trained, old, after, new, parameter_of, share), "/") for share in (0.0, 0.25, 1.0)}
    for name, values in flatten(after, "/").items():
        np.testing.assert_allclose(at[1.0][name], values, rtol=1e-6)
        np.testing.assert_allclose(at[0.25][name], 0.75 * at[0.0][name] + 0.25 * values, rtol=1e-4, atol=1e-6)
    carried = flatten(carry_over(trained, old, after, new, parameter_of), "/")
    for name, values in carried.items():
        np.testing.assert_allclose(at[0.0][name], values, rtol=1e-5, atol=1e-6)


def test_the_changes_are_said() -> None:
    changes = compare_characters(Alphabet("abc"), Alphabet("bcé"))
    assert changes.describe() == "2 characters keep their weights; 1 new, initialised: é; 1 no longer there: a"
    assert compare_characters(Alphabet("ab"), Alphabet("ab")).describe() == "2 characters keep their weights"


def trained(config: ModelConfig, alphabet: Alphabet) -> TrainedModel:
    plain = to_plain(ExperimentConfig(model=config))
    return build_trained("m", plain, alphabet.characters, parameters(alphabet, 1, config), "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dense_features": 5}, "model.dense_features is 4 there and 5 here; leave --config out"),
        ({"height_px": 32}, "model.height_px is 16 there and 32 here"),
        ({"lstm_features": (4, 4)}, r"model.lstm_features is \[4\] there and \[4, 4\] here"),
    ],
)
def test_other_layers_are_refused_by_name(change, message: str) -> None:
    model = trained(SMALL, Alphabet("abc"))
    check_layers("m", model, dataclasses.replace(SMALL, alphabet="union", width_px=64, dropout=0.5))
    with pytest.raises(InputError, match=f"^--init_from=m: has other layers than this config: {message}"):
        check_layers("m", model, dataclasses.replace(SMALL, **change))


def test_columns_put_together_otherwise_begin_the_layer_above_them_anew() -> None:
    alphabet, new = Alphabet("abc"), Alphabet("abd")
    stacked, by_maximum = RESIDUAL, dataclasses.replace(RESIDUAL, columns="max")
    model, fresh = trained(stacked, alphabet), parameters(new, 2, by_maximum)
    anew = check_layers("m", model, by_maximum)
    assert anew == ["dense1/kernel"]
    carried = flatten(carry_over(model.tree, alphabet, fresh, new, Recognizer(by_maximum, 0).parameter), "/")
    np.testing.assert_array_equal(carried["dense1/kernel"], flatten(fresh, "/")["dense1/kernel"])
    np.testing.assert_array_equal(carried["Conv1/kernel"], flatten(model.tree, "/")["Conv1/kernel"])
    said: list[str] = []
    Beginning("m", model, anew).settle(new, None, said.append)
    assert said[0].endswith("; dense1/kernel begins anew, as columns are put together otherwise")
    with pytest.raises(InputError, match=r"model\.columns is 'stack' there and 'max' here, model\.dense_features is 4"):
        check_layers("m", model, dataclasses.replace(by_maximum, dense_features=5))


def test_a_run_remembers_what_it_began_from(tmp_path) -> None:
    assert find_init_from(tmp_path, None) is None
    assert find_init_from(tmp_path, "m") == "m"
    write_init_from(tmp_path, "m", compare_characters(Alphabet("a"), Alphabet("a")))
    assert find_init_from(tmp_path, None) == "m"
    assert find_init_from(tmp_path, "other") == "other"
    (tmp_path / "checkpoints" / "10").mkdir(parents=True)
    assert find_init_from(tmp_path, "m") == "m"
    with pytest.raises(InputError, match="holds a run that began from m, not from other"):
        find_init_from(tmp_path, "other")
    (tmp_path / "init_from.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        find_init_from(tmp_path, None)
