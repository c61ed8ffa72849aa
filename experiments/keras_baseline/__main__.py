"""`python -m experiments.keras_baseline`: trains the same model, on the same batches, with Keras itself."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.commands.options import Parser, run
from hwr_jax.config import resolve_config
from hwr_jax.models.keras_model import BACKENDS, import_keras

_EPILOG = """The run's folder holds what `hwr train` writes: config.json, environment.json, status.json, metrics.jsonl,
usage.json, evaluation/ and report.html; and model.keras, the weights of lowest validation CER. A run that is stopped
starts anew.
"""


def main(argv: Sequence[str]) -> int:
    about = "Trains the Keras model by a config of ours: the same layers, batches, loss and optimizer."
    parser = Parser(prog="python -m experiments.keras_baseline", description=about, epilog=_EPILOG)
    parser.add_config_flags()
    parser.add_argument("--workdir", type=Path, required=True, help="the run's folder; made if it is not there")
    parser.add_argument("--backend", choices=BACKENDS, required=True, help="what Keras runs on")
    options = parser.parse(argv)
    config = resolve_config(options.config)

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    import_keras(options.backend)
    from experiments.keras_baseline.training import train

    result = train(config, options.workdir)
    split = result.summary["split"]
    print(f"{split} CER {result.cer:.2%}  WER {result.wer:.2%}  ({result.samples:,} samples)")
    return 0


if __name__ == "__main__":
    sys.exit(run("experiments.keras_baseline", main, sys.argv[1:], program=""))
