"""Weights as the page gets them: the matrices of the model, in panels."""

import dataclasses
from typing import Any

import flax.linen as nn
import numpy as np
import pytest

from hwr_jax.errors import InputError
from hwr_jax.models.browser_model import Plan, plan_layer, plan_model
from hwr_jax.models.trained import load_exported, pretrained_names
from hwr_jax.training.load import load_model, model_folder

TYPES = {"float32": "<f4", "float16": "<f2", "int8": "i1"}


def unpack(plan: Plan, index: int, columns: int) -> np.ndarray:
    """The matrix [inner, columns] that the panels hold."""
    array = plan.arrays[index]
    values = np.frombuffer(bytes(plan.weights), TYPES[array["type"]], array["length"], array["start"])
    matrix = values.reshape(-1, array["inner"], 8).swapaxes(0, 1).reshape(array["inner"], -1).astype(np.float32)
    if array["scales"] is not None:
        scales = plan.arrays[array["scales"]]
        matrix = matrix * np.frombuffer(bytes(plan.weights), "<f4", scales["length"], scales["start"])
    assert not matrix[:, columns:].any()
    return matrix[:, :columns]


@pytest.mark.parametrize(("quantize", "tolerance"), [("none", 0), ("float16", 1e-3), ("int8", 1 / 250)])
@pytest.mark.parametrize("columns", [8, 13])
def test_panels_hold_the_matrix(quantize, tolerance, columns):
    plan = Plan(quantize)
    plan.add_vector(np.arange(3))
    matrix = np.random.default_rng(0).normal(size=(5, columns)).astype(np.float32)
    index = plan.add_matrix(matrix)
    error = np.abs(unpack(plan, index, columns) - matrix).max(axis=0)
    assert (error <= tolerance * np.abs(matrix).max(axis=0)).all()


@pytest.mark.parametrize("name", ["unipen_words", "copiste_lines_large"])
def test_all_weights_that_read_are_in_the_plan(name):
    model, plan = load_model(name), plan_model(load_model(name), "none")
    kernel: Any = model.tree["dense2"]["kernel"]
    np.testing.assert_array_equal(unpack(plan, plan.steps[-1]["weights"], kernel.shape[1]), kernel)
    of_training = sum(np.size(leaf) for leaf in model.tree.get("shortcut", {}).values())
    kept = sum(array["length"] for array in plan.arrays)
    assert model.parameters - of_training <= kept <= 1.02 * model.parameters


def test_bytes_a_weight_are_those_asked_for():
    sizes = {quantize: len(plan_model(load_model("unipen_words"), quantize).weights) for quantize in TYPES_OF}
    count = load_model("unipen_words").parameters
    for quantize, size in sizes.items():
        assert size == pytest.approx(TYPES_OF[quantize] * count, rel=0.06)


TYPES_OF = {"none": 4, "float16": 2, "int8": 1}


def test_every_model_of_the_package_has_a_plan():
    for name in pretrained_names():
        folder = model_folder(name)
        plan = plan_model(load_exported(folder) if folder else load_model(name), "int8")
        assert plan.steps[-1]["kind"] == "dense"


def test_a_layer_that_the_page_lacks_is_named():
    with pytest.raises(InputError, match="layer gelu: the page's kernels have no Dense yet"):
        plan_layer(nn.Dense(3, name="gelu"), Plan("none"), {})


def test_an_encoder_of_ones_own_is_named():
    own = dataclasses.replace(load_model("unipen_words"), encoder=nn.Dense(3))
    with pytest.raises(InputError, match="model unipen_words: its encoder Dense is in no table of hwr_jax"):
        plan_model(own, "none")
