"""Parts of one's own: an encoder with batch normalisation, a loss and effects that nothing in hwr_jax knows."""

import dataclasses
import inspect
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hwr_jax
from hwr_jax.commands.evaluate import main
from hwr_jax.config import (
    AugmentConfig,
    DataConfig,
    ExperimentConfig,
    LossesConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from hwr_jax.decoding.decoder import Hypothesis
from hwr_jax.errors import InputError
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.nested import flatten
from hwr_jax.training.devices import make_placement
from hwr_jax.training.load import load_run
from hwr_jax.training.losses import Loss
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.parts import Evaluator, Parts, build_parts
from hwr_jax.training.state import init_state
from hwr_jax.training.step import make_step_of

pytestmark = pytest.mark.usefixtures("quick_compilation")

CONFIG = ExperimentConfig(
    data=DataConfig(writers=24, words_per_writer=4, batch_size=8, workers=1),
    model=ModelConfig(height_px=16, width_px=64, alphabet="training"),
    optimizer=OptimizerConfig(name="muon", learning_rate=1e-2, warmup_steps=2),
    augment=AugmentConfig(shear=0.2),
    training=TrainingConfig(steps=4, log_every_steps=1, evaluate_every_steps=2),
)


class Columns(nn.Module):
    """Eight columns a frame, normalised over the batch."""

    features: int = 12
    axis_name: str | None = None
    stride_px: int = 8

    @nn.compact
    def __call__(self, images_BxWxHx1, widths_B=None, keys_B=None):
        batch, width, height, _ = images_BxWxHx1.shape
        x = images_BxWxHx1.reshape(batch, width // self.stride_px, self.stride_px * height)
        x = nn.Dense(self.features, use_bias=False, name="columns")(x)  # A bias would have no gradient but noise.
        x = nn.BatchNorm(keys_B is None, momentum=0.8, axis_name=self.axis_name, name="norm")(x)
        self.sow("outputs", "size", jnp.abs(x).mean(axis=(1, 2)))
        return nn.relu(x)


FILE = """
import dataclasses
import flax.linen as nn
import jax.numpy as jnp
from hwr_jax.training.parts import build_parts

def parts(config):
    return dataclasses.replace(build_parts(config), encoder=Columns())

"""


class Faint:
    """Ink grows fainter, inside the step."""

    kind, stream = "step", "faint"

    def apply(self, images_BxWxHx1, widths_B, keys_B):
        return images_BxWxHx1 * jax.vmap(jax.random.uniform)(keys_B)[:, None, None, None], widths_B


class Dots:
    """Specks on the image as it was drawn."""

    kind = "source"

    def apply(self, grey_HxW, rng):
        return np.where(rng.random(grey_HxW.shape) < 0.02, 0, grey_HxW).astype(np.uint8)


class AlwaysAb:
    """A decoder that reads "ab" everywhere."""

    def __init__(self, alphabet):
        self.alphabet = alphabet

    def decode(self, log_probs_BxTxK, frames_B=None, n_best=1):
        return [(Hypothesis("ab", 0.5, 0.0, 0.0, (0, 1)),)] * len(log_probs_BxTxK)


def own_parts(config):
    parts = build_parts(config)
    return dataclasses.replace(
        parts,
        encoder=Columns(),
        losses={**parts.losses, "size": Loss(0.1, lambda outputs, batch: outputs["size"])},
        augmentation=(Dots(), *parts.augmentation, Faint()),
        evaluators={
            "samples": Evaluator(lambda evaluation: len(evaluation.results)),
            "said_ab": Evaluator(
                lambda evaluation: [r.prediction for r in evaluation.results].count("ab"), decoder="ab"
            ),
            "training_samples": Evaluator(lambda evaluation: len(evaluation.results), split="train", when="end"),
        },
        decoders={"ab": AlwaysAb},
    )


def test_one_device_and_four_give_the_same_with_statistics_over_the_batch(make_batch):
    parts = own_parts(CONFIG)
    model = Recognizer(CONFIG.model, 6, parts.encoder)
    optimizer = build_optimizer(CONFIG.optimizer, 4, model.parameter)
    # Their labels fit eight frames.
    batches = [make_batch(8, seed=seed) for seed in range(3)]
    for batch in batches:
        batch["lengths"] = np.minimum(batch["lengths"], 3)

    def train(kind):
        placement = make_placement(kind, lambda axis: make_step_of(CONFIG, model, optimizer, parts, axis), 8)
        state = placement.place(jax.device_get(init_state(model, optimizer, 0, parts.losses)))
        for batch in batches:
            batch = {name: value[None] for name, value in batch.items()}
            state = placement.steps(state, {}, placement.place_batches(batch))
        return placement.fetch(state)

    one = train("jit")
    assert set(one.totals.terms) == {"ctc", "size"}
    terms = one.totals.terms
    assert float(one.totals.loss) == pytest.approx(float(terms["ctc"] + 0.1 * terms["size"]), rel=1e-5)
    assert np.abs(one.collections["batch_stats"]["norm"]["mean"]).min() > 0
    for kind in ("pmap", "mesh"):
        several = train(kind)
        for part in ("totals", "collections"):
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
                getattr(several, part),
                getattr(one, part),
            )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run of such parts."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWR_JAX_DATA_DIR", str(folder / "data"))
        yield hwr_jax.train(CONFIG, folder / "run", own_parts(CONFIG))


def test_a_run_logs_every_loss_and_evaluator(run):
    assert run.status == "done"
    lines = [json.loads(line) for line in (run.workdir / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 4
    for line in lines:
        assert line["train/loss"] == pytest.approx(line["train/ctc"] + 0.1 * line["train/size"], rel=1e-5)
    assert lines[-1]["validation/samples"] == lines[-1]["validation/said_ab"] > 0
    at_end = json.loads((run.workdir / "evaluation" / "training_samples.json").read_text())
    assert at_end["split"] == "train"
    assert at_end["training_samples"] == at_end["samples"] > lines[-1]["validation/samples"]
    card = (run.workdir / "evaluation" / "MODEL_CARD.md").read_text()
    assert "| encoder | Columns |" in card
    assert "one output frame for every 8 px" in card


def test_a_run_goes_on_with_its_own_parts_alone(run):
    others = dataclasses.replace(own_parts(CONFIG), augmentation=build_parts(CONFIG).augmentation)
    with pytest.raises(InputError, match="losses size, augmentation Dots, Faint, not encoder Columns, losses size; ch"):
        hwr_jax.train(CONFIG, run.workdir, others)


def test_it_resumes_with_its_statistics_and_loads_with_its_parts_alone(run):
    stopped = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, steps=2))
    workdir = run.workdir.parent / "resumed"
    hwr_jax.train(stopped, workdir, own_parts(CONFIG))
    hwr_jax.train(CONFIG, workdir, own_parts(CONFIG), extend=True)
    parts = own_parts(CONFIG)
    models = [load_run(folder, "latest", parts) for folder in (run.workdir, workdir)]
    whole, resumed = (flatten({**model.tree, **model.collections}, "/") for model in models)
    assert "batch_stats/norm/mean" in whole
    assert models[0].stride_px == 8
    # The rate's schedule knows the length of the run; statistics of the first steps differ by nothing else.
    assert whole.keys() == resumed.keys()
    with pytest.raises(InputError, match="was trained with encoder Columns, not an encoder of hwr_jax"):
        hwr_jax.load(run.workdir)
    reading = hwr_jax.load(run.workdir, parts=parts).read(np.full((20, 60), 255, np.uint8))[0]
    assert 0 <= reading.confidence <= 1
    assert hwr_jax.evaluate(run.workdir, parts=parts, into_run=False).cer == run.evaluation.cer


def test_the_config_file_of_a_run_gives_its_parts(run, tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(FILE + inspect.getsource(Columns))
    assert hwr_jax.evaluate(run.workdir, parts=path, into_run=False).cer == run.evaluation.cer
    assert main([f"--model={run.workdir}", f"--parts={path}", "--split=validation", "--workers=1"]) == 0
    path.write_text(path.read_text().replace("encoder=Columns()", "encoder=Columns(), decoders={'ab': AlwaysAb}"))
    with path.open("a") as file:
        file.write("from hwr_jax.decoding.decoder import Hypothesis\n" + inspect.getsource(AlwaysAb))
    argv = [f"--model={run.workdir}", f"--parts={path}", "--split=validation", "--workers=1", "--decoder=ab"]
    assert main(argv) == 0
    assert "decoder   ab," in capsys.readouterr().out
    with pytest.raises(InputError, match="--escape: has no effect on a decoder of one's own"):
        main([*argv, "--escape=-3"])
    with pytest.raises(InputError, match="take greedy, beam, ab, tuned or"):
        main([*argv[:-1], "--decoder=abc"])
    path.write_text(FILE.replace("Columns()", "None"))
    with pytest.raises(InputError, match="give its own as parts=, or as --parts=FILE"):
        main([f"--model={run.workdir}", f"--parts={path}", "--split=validation", "--workers=1"])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Parts({}, None), "nothing to minimise"),
        (lambda: build_parts(dataclasses.replace(CONFIG, losses=LossesConfig(ctc=0.0))), "losses.ctc=1"),
        (lambda: dataclasses.replace(own_parts(CONFIG), augmentation=(Columns(),)), "Columns.kind must be"),
        (lambda: Evaluator(len, when="sometimes"), "when is 'sometimes', not 'validation' or 'end'"),
        (lambda: Evaluator(len, data="iam_lines").load(CONFIG), "iam_lines.*not prepared"),
        (
            lambda: dataclasses.replace(own_parts(CONFIG), encoder=Columns(stride_px=7)).stride_px(CONFIG),
            "64 is not a multiple of 7",
        ),
    ],
)
def test_what_is_wrong_with_parts_is_said(make, says):
    with pytest.raises(InputError, match=says):
        make()
