"""The experiment's config: round trip, ranges, and every file in configs/."""

import contextlib
import dataclasses
import math
import re
import subprocess
import sys

import pytest

from hwr_jax.commands.options import load_config
from hwr_jax.config import (
    NUMBERS,
    AugmentConfig,
    DataConfig,
    ExperimentConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
    default_config,
    resolve_config,
)
from hwr_jax.errors import InputError
from hwr_jax.models.recognizer import layer_table
from hwr_jax.page_config import PageExperimentConfig, resolve_any_config
from hwr_jax.strict import build_dataclass
from hwr_jax.text.alphabet import FROM_DATA, resolve_alphabet
from hwr_jax.training.optimizer import build_optimizer

GROUPS = {"data": DataConfig, "model": ModelConfig, "optimizer": OptimizerConfig, "augment": AugmentConfig}


def test_the_defaults_come_back():
    assert resolve_config(default_config()) == ExperimentConfig()


def test_changes_come_through():
    config = default_config()
    config.seed = 5
    config.model.lstm_features = (8,)
    config.optimizer.learning_rate = 1
    resolved = resolve_config(config)
    assert resolved == dataclasses.replace(
        ExperimentConfig(),
        seed=5,
        model=ModelConfig(lstm_features=(8,)),
        optimizer=OptimizerConfig(learning_rate=1.0),
    )


def test_a_field_that_does_not_exist_is_wrong_input():
    config = default_config()
    config.model.unlock()
    config.model.droput = 0.5
    with pytest.raises(InputError, match=r"config\.model\.droput: no such field; did you mean 'dropout'\?"):
        resolve_config(config)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data.batch_size", 0),
        ("data.evaluation_batch_size", 0),
        ("data.writers", 0),
        ("data.words_per_writer", 0),
        ("data.training_samples", -1),
        ("data.validation_samples", -1),
        ("data.workers", -1),
        ("data.preprocessing", "stretch"),
        ("data.narrow_first_epochs", -1),
        ("data.narrow_first_epochs", 1),  # preprocessing is "word"
        *(("data.horizontal_scale", factor) for factor in (0.2, 4.1, -1.0, math.nan)),
        ("model.encoder", "resnet"),
        ("model.height_px", 30),
        ("model.height_px", 0),
        ("model.width_px", 129),
        ("model.width_px", -4),
        ("model.conv_features", (0, 1)),
        ("model.dense_features", 0),
        ("model.lstm_features", (-1,)),
        ("model.dropout", 1.0),
        ("model.dropout", -0.1),
        ("model.dropout", math.nan),
        ("model.lstm_dropout", 1.5),
        ("model.compute_dtype", "float16"),
        ("optimizer.name", "sgd"),
        ("optimizer.schedule", "step"),
        *((f"optimizer.{name}", -1e-3) for name in ("learning_rate", "weight_decay", "epsilon", "clip_norm")),
        *((f"optimizer.{name}", math.nan) for name in ("learning_rate", "weight_decay", "epsilon", "clip_norm")),
        ("optimizer.learning_rate", math.inf),
        ("optimizer.warmup_steps", -1),
        *((f"augment.{field.name}", type(field.default)(-1)) for field in dataclasses.fields(AugmentConfig)),
        ("augment.shear", math.nan),
        ("augment.warp_spacing_px", 0),
        ("augment.elastic_spread_px", 0),
        ("augment.mask_spacing_px", 0),
        *((f"augment.{name}", 1.01) for name in ("pen_px", "light", "texture", "blur_px")),
        ("augment.mask_px", 65.0),
    ],
)
def test_every_range_is_checked(field, value):
    group, name = field.split(".")
    with pytest.raises(InputError) as told:
        build_dataclass(GROUPS[group], {name: value}, group)
    assert str(told.value).startswith(group)
    assert name in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "either steps or epochs"),
        ({"steps": 1, "epochs": 1.0}, "either steps or epochs"),
        ({"steps": -1}, "training.steps"),
        ({"epochs": -1.0}, "training.epochs"),
        ({"epochs": math.inf}, "training.epochs"),
        ({"epochs": math.nan}, "training.epochs"),
        ({"steps": 1, "log_every_steps": -1}, "training.log_every_steps"),
        ({"steps": 1, "min_steps": -1}, "training.min_steps"),
        ({"steps": 1, "max_left_out": -0.1}, "training.max_left_out"),
        ({"steps": 1, "steps_per_dispatch": 0}, "training.steps_per_dispatch"),
        ({"steps": 1, "evaluate_every_steps": -1}, "training.evaluate_every_steps"),
        ({"steps": 1, "checkpoint_every_steps": -1}, "training.checkpoint_every_steps"),
        ({"steps": 1, "parallel": "vmap"}, "training.parallel"),
    ],
)
def test_every_range_of_training_is_checked(values, says):
    with pytest.raises(InputError, match=says):
        TrainingConfig(**values)


def test_the_example_s_fitting_is_not_stretched():
    assert DataConfig(preprocessing="word", horizontal_scale=1.5).horizontal_scale == 1.5
    with pytest.raises(
        InputError, match=r"data\.horizontal_scale: the Keras example's preprocessing keeps the aspect ratio"
    ):
        DataConfig(preprocessing="keras", horizontal_scale=1.5)


@pytest.mark.parametrize("strength", ["pen_px", "light", "noise", "mask_px"])
def test_pens_and_paper_are_not_imitated_where_the_background_is_ink(strength):
    config = default_config()
    config.augment[strength] = 0.5
    assert resolve_config(config).augment.photometric
    config.data.preprocessing = "keras"
    with pytest.raises(InputError, match=r"^augment: .*need data\.preprocessing=word or line"):
        resolve_config(config)


@pytest.mark.parametrize(
    ("group", "values", "says"),
    [
        ("data", {"reshuffle": False}, "data.reshuffle: with data.preprocessing=line it must be True"),
        ("data", {"on_device": "yes"}, "data.on_device"),
        ("training", {"steps": 4, "steps_per_dispatch": 2}, "training.steps_per_dispatch"),
        ("losses", {"keras_ctc": 1.0}, "losses.keras_ctc"),
    ],
)
def test_what_images_of_any_width_cannot_do_is_refused(group, values, says):
    for kind, refused in (("word", False), ("line", True)):
        config = default_config()
        config.data.preprocessing = kind
        if group == "training":
            config.training.epochs = 0.0
        config[group].update(values)
        with pytest.raises(InputError, match=says) if refused else contextlib.nullcontext():
            assert not resolve_config(config).follows_width


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_is_a_number_of_32_bits(seed):
    with pytest.raises(InputError, match="seed"):
        ExperimentConfig(seed=seed)


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ({"steps": 7}, 7),
        ({"epochs": 1.0}, 4),
        ({"epochs": 2.0}, 7),
        ({"epochs": 0.01}, 1),
        ({"epochs": 3.0}, 10),
        ({"epochs": 3.0, "min_steps": 9}, 10),
        ({"epochs": 3.0, "min_steps": 300}, 300),
        ({"steps": 7, "min_steps": 300}, 7),
    ],
)
def test_the_number_of_steps_is_rounded_up(values, steps):
    config = ExperimentConfig(data=DataConfig(batch_size=3), training=TrainingConfig(**values))
    assert config.total_steps(samples=10) == steps


@pytest.mark.parametrize(("epochs", "steps"), [(1.0, 4), (2.0, 8), (0.5, 2), (3.0, 12)])
def test_epochs_in_one_order_are_whole_numbers_of_batches(epochs, steps):
    data = DataConfig(batch_size=3, reshuffle=False)
    assert ExperimentConfig(data=data, training=TrainingConfig(epochs=epochs)).total_steps(samples=10) == steps


@pytest.mark.parametrize(("total", "every"), [(1, 1), (24, 1), (56, 2), (400, 20), (999, 49), (1000, 50), (99999, 50)])
def test_short_runs_have_lines_too(total, every):
    assert ExperimentConfig().log_every_steps(total) == every
    assert ExperimentConfig(training=TrainingConfig(steps=9, log_every_steps=7)).log_every_steps(total) == 7


def test_any_strength_is_active():
    assert not AugmentConfig(warp_spacing_px=5, mask_spacing_px=5).active
    for field in dataclasses.fields(AugmentConfig):
        if field.type is float:
            config = AugmentConfig(**{field.name: 0.5})
            assert config.active
            assert config.geometric != config.photometric


def test_frames_follow_the_pooling():
    assert ModelConfig().frames == 32
    assert ModelConfig(conv_features=(4, 4, 4)).frames == 16


def test_config_files_resolve_and_build(repository):
    files = sorted(map(str, (repository / "configs").glob("*.py")))
    assert files
    for file in [*files, f"{repository}/configs/unipen_words_large.py:second"]:
        config_dict, rest = load_config([f"--config={file}"])
        config = resolve_any_config(config_dict)
        assert rest == []
        if isinstance(config, PageExperimentConfig):
            build_optimizer(config.optimizer, config.training.steps)
            continue
        name = config.model.alphabet
        alphabet = resolve_alphabet("latin1-european" if name in FROM_DATA else name)
        rows = layer_table(config.model, alphabet.num_classes)
        assert rows[-1].output_shape == (config.model.frames, alphabet.num_classes)
        build_optimizer(config.optimizer, config.total_steps(1000))


def test_config_files_are_as_long_as_their_first_lines_say(repository):
    told = {file: file.read_text(encoding="utf-8").splitlines()[0] for file in (repository / "configs").glob("*.py")}
    epochs = {file: int(found[1]) for file, line in told.items() if (found := re.search(r"(\d+) epochs", line))}
    assert len(epochs) > 5
    assert {file: load_config([f"--config={file}"])[0].training.epochs for file in epochs} == epochs


def test_config_imports_no_jax(repository):
    code = "import sys, hwr_jax.config; assert not {'jax', 'flax', 'numpy'} & sys.modules.keys(), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=repository, timeout=60)


def test_runs_in_one_program_may_differ_in_every_strength():
    strengths = {f"augment.{field.name}" for field in dataclasses.fields(AugmentConfig) if field.type is float}
    assert len(strengths) == 16
    assert strengths <= set(NUMBERS)
