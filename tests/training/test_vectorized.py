"""Runs that train together leave what they would have left alone."""

import dataclasses
import functools
import json

import jax
import numpy as np
import pytest

from hwr_jax.config import AugmentConfig, DataConfig, ExperimentConfig, ModelConfig, OptimizerConfig, TrainingConfig
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.errors import InputError
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import resolve_alphabet
from hwr_jax.training.checkpoint import Checkpoints
from hwr_jax.training.loop import Outcome, Validated, run_training
from hwr_jax.training.parts import build_parts
from hwr_jax.training.recognition import recognition_task
from hwr_jax.training.signals import StopRequest
from hwr_jax.training.vectorized import train_vectorized, varying_numbers

pytestmark = pytest.mark.usefixtures("quick_compilation")

ALPHABET = resolve_alphabet("abcdef")
BASE = ExperimentConfig(
    data=DataConfig(batch_size=8),
    model=ModelConfig(
        height_px=16,
        width_px=64,
        alphabet="abcdef",
        conv_features=(4, 4),
        dense_features=8,
        lstm_features=(8,),
        dropout=0.1,
        lstm_dropout=0.1,
    ),
    optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=5, weight_decay=0.01, clip_norm=5.0),
    training=TrainingConfig(steps=50, log_every_steps=10, evaluate_every_steps=25, parallel="jit"),
)


def change(**values):
    """BASE with "group.field" or field values, "group__field" in Python."""
    config = BASE
    for name, value in values.items():
        group, _, field = name.rpartition("__")
        inner = dataclasses.replace(getattr(config, group), **{field: value}) if group else value
        config = dataclasses.replace(config, **{group or field: inner})
    return config


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    count = 40
    texts = ["".join(rng.choice(list("abcdef"), rng.integers(1, 6))) for _ in range(count)]
    return PreprocessedSamples(
        ids=tuple(f"sample {number}" for number in range(count)),
        texts=tuple(texts),
        writers=("writer",) * count,
        images_NxHxW=rng.integers(0, 256, (count, 16, 64), dtype=np.uint8),
        skipped={},
    )


def validate(parameters, poll):
    poll()
    size = sum(float(np.abs(leaf).sum()) for leaf in jax.tree.leaves(parameters))
    return Validated({"validation/cer": size / 1e4, "validation/wer": 1.0})


def about(config):
    return {"config": to_plain(config), "alphabet": ALPHABET.characters}


def train_alone(config, samples, workdir, stop=None):
    workdir.mkdir(exist_ok=True)
    return run_training(
        config,
        recognition_task(config, samples, ALPHABET, build_parts(config)),
        workdir=workdir,
        about=about(config),
        validate=validate,
        stop=stop or StopRequest(),
    )


@pytest.fixture(scope="module")
def run_alone(samples, tmp_path_factory):
    """`run_alone(config)`: the folder of that run, trained to its end by itself."""

    @functools.cache
    def run(config):
        workdir = tmp_path_factory.mktemp("alone")
        train_alone(config, samples, workdir)
        return workdir

    return run


def train_together(configs, samples, workdirs, stop=None, validate=validate):
    for workdir in workdirs:
        workdir.mkdir(exist_ok=True)
    return train_vectorized(
        configs,
        samples,
        alphabet=ALPHABET,
        workdirs=workdirs,
        about=[about(config) for config in configs],
        validate=validate,
        stop=stop or StopRequest(),
    )


def metrics_of(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def checkpoints_of(workdir):
    """Step -> the validation CER noted with it."""
    folders = [path for path in (workdir / "checkpoints").iterdir() if path.name.isdigit()]
    return {int(path.name): json.loads((path / "about" / "metadata").read_text())["cer"] for path in folders}


def assert_as_alone(workdir, alone):
    lines, expected = metrics_of(workdir), metrics_of(alone)
    assert [line["step"] for line in lines] == [10, 20, 25, 30, 40, 50]
    for line, other in zip(lines, expected, strict=True):
        assert line.keys() == other.keys()
        for name in line.keys() - {"train/seconds", "train/samples_per_second"}:
            assert line[name] == pytest.approx(other[name], rel=1e-5), (line["step"], name)
    assert checkpoints_of(workdir) == {step: pytest.approx(cer) for step, cer in checkpoints_of(alone).items()}
    for which in ("best", "latest"):
        ours, others = (
            Checkpoints(folder / "checkpoints", writable=False).restore(which) for folder in (workdir, alone)
        )
        assert (ours.step, ours.about) == (others.step, others.about)
        assert jax.tree.map(np.shape, ours.state) == jax.tree.map(np.shape, others.state)


POINTS = {
    "numbers": [
        {},
        {"optimizer__learning_rate": 1e-3, "optimizer__weight_decay": 0.0},
        {"model__dropout": 0.0, "model__lstm_dropout": 0.3},
    ],
    "seeds": [{"seed": 1}, {"seed": 2**32 - 1}],
    "strengths": [
        {"augment": AugmentConfig(shear=0.2, warp_px=1.0, elastic_px=0.5)},
        {"augment": AugmentConfig(rotation_degrees=3.0), "seed": 5},
        {},
    ],
}


@pytest.mark.parametrize("points", POINTS.values(), ids=POINTS)
def test_every_run_is_what_it_is_alone(points, samples, tmp_path, run_alone):
    configs = [change(**point) for point in points]
    workdirs = [tmp_path / f"together {number}" for number in range(len(points))]
    outcomes = train_together(configs, samples, workdirs)
    assert outcomes == [Outcome("done", 50, "50 steps done")] * len(points)
    for config, workdir in zip(configs, workdirs, strict=True):
        assert_as_alone(workdir, run_alone(config))


def test_runs_go_on_from_where_each_was_stopped(samples, tmp_path, run_alone):
    configs = [change(seed=seed) for seed in (0, 1, 2)]
    workdirs = [tmp_path / f"run {seed}" for seed in (0, 1, 2)]
    stop = StopRequest()
    validations = []

    def stop_in_the_second_validation(parameters, poll):
        validations.append(len(validations))
        if len(validations) == 2:
            stop.received = "SIGTERM"
        return validate(parameters, poll)

    outcomes = train_together(configs, samples, workdirs, stop, stop_in_the_second_validation)
    assert [outcome.status for outcome in outcomes] == ["preempted"] * 3
    assert {outcome.step for outcome in outcomes} == {25}
    assert len(metrics_of(workdirs[0])) == 3  # It had told of step 25, the others had not.
    assert len(metrics_of(workdirs[2])) == 2
    # One of them goes further alone, so that they no longer stand at the same step.
    train_alone(configs[1], samples, workdirs[1])
    train_together(configs, samples, workdirs)
    for config, workdir in zip(configs, workdirs, strict=True):
        assert_as_alone(workdir, run_alone(config))


def test_one_that_diverges_does_not_stop_the_others(samples, tmp_path, run_alone):
    configs = [change(), change(optimizer__learning_rate=1e30)]
    workdirs = [tmp_path / "good", tmp_path / "bad"]
    good, bad = train_together(configs, samples, workdirs)
    assert good.status == "done"
    assert bad.status == "diverged"
    assert bad.step == 10
    assert json.loads((workdirs[1] / "status.json").read_text())["status"] == "diverged"
    assert_as_alone(workdirs[0], run_alone(configs[0]))


def test_shapes_and_programs_must_not_differ():
    with pytest.raises(InputError, match=r"model.dense_features: vectorized runs differ in nothing but seed,"):
        varying_numbers([change(), change(model__dense_features=9)])
    with pytest.raises(InputError, match=r"optimizer.schedule"):
        varying_numbers([change(), change(optimizer__schedule="linear", seed=3)])
    assert varying_numbers([change(), change(seed=4)]) == {"seed": [0, 4]}
    assert varying_numbers([change()]) == {}
