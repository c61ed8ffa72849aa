"""`python -m experiments.same_lines`: a mixture's test samples, read by several models."""

import pytest

import hwr_jax
from experiments.same_lines import main
from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig, TrainingConfig
from hwr_jax.errors import InputError
from hwr_jax.mixture_config import MixtureSource

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_each_model_reads_each_data_set(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HWR_JAX_DATA_DIR", str(tmp_path / "data"))
    config = ExperimentConfig(
        data=DataConfig(
            name="mixture/test",
            mixture={
                "made_up": MixtureSource("synthetic", unit="word"),
                "again": MixtureSource("synthetic", weight=0.0, unit="word"),
            },
            writers=40,
            words_per_writer=3,
            batch_size=8,
            workers=1,
        ),
        model=ModelConfig(conv_features=(2, 2), dense_features=4, lstm_features=(4,), alphabet="training"),
        training=TrainingConfig(steps=2, parallel="jit"),
    )
    run = hwr_jax.train(config, tmp_path / "run")
    name = str(run.workdir)
    assert main([f"--of={name}", name, "unipen_words"]) == 0
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["data set", "samples", "writers", name, "unipen_words"]
    assert [row[0] for row in rows[2:]] == ["made_up", "again"]
    own = run.evaluation.summary["sources"]
    assert [row[3] for row in rows[2:]] == [f"{100 * own[row[0]]['cer']:.2f} %" for row in rows[2:]]
    assert float(rows[2][4].removesuffix(" %")) < 60  # which a model that has just begun does not reach
    with pytest.raises(InputError, match="--of=unipen_words: was trained on one data set"):
        main(["--of=unipen_words", "unipen_words"])
