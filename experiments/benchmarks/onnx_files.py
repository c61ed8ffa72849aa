"""`python -m experiments.benchmarks.onnx_files`: models as ONNX files in onnxruntime, beside the models themselves.

For each model and way to keep its weights: size of the file, the largest difference of log probabilities on 200 samples
of several widths in batches of several sizes, CER on the test split, and milliseconds a sample, one at a time; ours
without preprocessing and decoding either. The data have to be prepared, see docs/data.md.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from experiments.benchmarks.command import choose, describe_here, make_parser, write_numbers
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import run
from hwr_jax.data.batches import cut_to_widths
from hwr_jax.data.labels import take
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.errors import InputError
from hwr_jax.evaluation.evaluate import LogProbs, evaluate_samples
from hwr_jax.export import export_onnx
from hwr_jax.models.quantized import QUANTIZATIONS
from hwr_jax.models.trained import TrainedModel, pretrained_names
from hwr_jax.reports.tables import ABSENT
from hwr_jax.result import data_config, load_samples
from hwr_jax.training.load import load_model

COMPARED, BATCHES = 200, (1, 3, 16, 60)  # samples, and batches over and over


def main(argv: Sequence[str]) -> int:
    counts = {
        "samples": (1_000_000, "most samples of the test split that are read"),
        "timed": (200, "samples that are timed, each by every way in turn"),
    }
    parser = make_parser("onnx_files", __doc__, counts)
    names = pretrained_names()
    parser.add_argument("--models", metavar="A,B", default=",".join(names), help="default all of the package")
    parser.add_argument("--data", metavar="NAME", help="prepared data to read (default: each model's own)")
    options = parser.parse_args(argv)
    machine, _ = describe_here()
    rows = [
        row
        for name in choose("model", options.models, names)
        for row in compare(name, options.data, options.samples, options.timed)
    ]
    print(align_columns([[*rows[0]], *([*row.values()] for row in rows)], right=range(2, len(rows[0]))))
    print(machine)
    write_numbers(options, {"rows": rows})
    return 0


def compare(name: str, data: str | None, most: int, timed: int) -> list[dict[str, str]]:
    """A row for the model itself, and one for each of its files."""
    model = load_model(name)
    # Without the words that are added to the training split alone.
    config = data_config(model, data or data_config(model).name.partition("/")[0])
    samples = load_samples(config, "test", model)
    samples = take(samples, np.arange(min(most, len(samples))))
    ways: dict[str, LogProbs] = {"ours": model.log_probs}
    bytes_of = {}
    with TemporaryDirectory() as folder:
        for quantize in QUANTIZATIONS:
            path = Path(folder) / f"{quantize}.onnx"
            export_onnx(name, path, quantize=quantize)
            ways[f"onnx, {quantize}"], bytes_of[f"onnx, {quantize}"] = make_onnx_log_probs(path), path.stat().st_size
    milliseconds = time_ways(ways, samples, timed)
    rows = []
    for way, log_probs in ways.items():
        cer = evaluate_samples(log_probs, model.alphabet, samples).totals.cer
        rows.append(
            {
                "model": name,
                "way": way,
                "MB": f"{bytes_of[way] / 1e6:.2f}" if way in bytes_of else ABSENT,
                "difference": f"{largest_difference(log_probs, model, samples):.1e}",
                "CER %": f"{100 * cer:.3f}",
                "ms": f"{milliseconds[way]:.2f}",
            }
        )
    return rows


def make_onnx_log_probs(path: Path) -> LogProbs:
    """What an ONNX file computes in onnxruntime, as `TrainedModel.log_probs` does."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError("onnxruntime is not installed: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    # Threads that wait would take the cores of the other ways, which have their turns in between.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]

    def log_probs(images_BxHxW: np.ndarray, widths_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inputs = {"images": cut_to_widths(images_BxHxW, widths_B), "widths": widths_B}
        log_probs_BxTxK, *frames = session.run(None, {name: inputs[name] for name in names})
        return log_probs_BxTxK, frames[0] if frames else np.full(len(widths_B), log_probs_BxTxK.shape[1], np.int32)

    return log_probs


def largest_difference(log_probs: LogProbs, model: TrainedModel, samples: PreprocessedSamples) -> float:
    """From the model's own log probabilities, in the frames that count."""
    chosen = np.random.default_rng(0).permutation(len(samples))[:COMPARED]
    differences, start = [0.0], 0
    while start < len(chosen):
        for size in BATCHES:
            rows = np.sort(chosen[start : start + size])
            start += size
            if len(rows):
                arguments = np.asarray(samples.images_NxHxW[rows]), samples.widths_N[rows]
                (found, _), (expected, frames_B) = log_probs(*arguments), model.log_probs(*arguments)
                inside_BxT = np.arange(expected.shape[1])[None] < frames_B[:, None]
                differences.append(float(np.abs(found - expected)[inside_BxT].max()))
    return max(differences)


def time_ways(ways: dict[str, LogProbs], samples: PreprocessedSamples, timed: int) -> dict[str, float]:
    """Median milliseconds a sample of each way, all of them in turn for each sample."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    chosen = np.random.default_rng(1).permutation(len(samples))[:timed]
    for warm in (False, True):  # Once to compile.
        for row in chosen[: None if warm else len(chosen)]:
            arguments = np.asarray(samples.images_NxHxW[row : row + 1]), samples.widths_N[row : row + 1]
            for way, log_probs in ways.items():
                started = time.perf_counter()
                log_probs(*arguments)
                if warm:
                    seconds[way].append(time.perf_counter() - started)
    return {way: 1000 * statistics.median(times) for way, times in seconds.items()}


if __name__ == "__main__":
    sys.exit(run("onnx_files", main, sys.argv[1:], program=""))
