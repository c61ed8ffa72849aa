"""`python -m experiments.benchmarks.onnx_pages`: a line finder as ONNX files in onnxruntime, beside the line finder.

For each way to keep the weights: size of the file, the largest difference of a chance on the first five looks, and F1
of lines (IoU of 0.5) and of baselines on the pages of --source, a folder or an archive with ALTO or PAGE files.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from experiments.benchmarks.command import describe_machine, make_parser, write_numbers
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import LINE_FINDER_HELP, run
from hwr_jax.data.sample import Skip
from hwr_jax.errors import InputError
from hwr_jax.evaluation.layout_rates import ALL, summarize_layout
from hwr_jax.export import export_onnx
from hwr_jax.layout.maps import PageMaps
from hwr_jax.line_finder import DEFAULT, LineFinder, MapMaker, load_trained_network
from hwr_jax.models.page_network import CHANCES
from hwr_jax.models.quantized import QUANTIZATIONS
from hwr_jax.models.trained_network import TrainedNetwork, look_with
from hwr_jax.page_layouts import score_layouts
from hwr_jax.reports.tables import ABSENT, show_percent

# Looks that are compared
COMPARED = 5


def main(argv: Sequence[str]) -> int:
    parser = make_parser("onnx_pages", __doc__, {})
    parser.add_argument("--source", type=Path, required=True, metavar="PATH", help="page images with XML files")
    parser.add_argument("--model", metavar="NAME_OR_PATH", default=DEFAULT, help=LINE_FINDER_HELP)
    options = parser.parse_args(argv)
    rows = compare(options.model, options.source)
    print(align_columns([[*rows[0]], *([*row.values()] for row in rows)], right=range(1, len(rows[0]))))
    print(describe_machine())
    write_numbers(options, {"rows": rows})
    return 0


class OnnxMaps:
    """What an ONNX file says of pages, as `TrainedNetwork` does; and how far its chances are from that one's."""

    def __init__(self, path: Path, ours: TrainedNetwork) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError("onnxruntime is not installed: pip install onnxruntime") from error
        self.name, self.difference = path.stem, 0.0
        self._ours, self._compared = ours, 0
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def look(self, page_HxW: np.ndarray) -> tuple[PageMaps, np.ndarray]:
        found = look_with(self._run, self._ours.experiment.model, page_HxW)
        if self._compared < COMPARED:
            self._compared += 1
            known = self._ours.look(page_HxW)
            apart = (getattr(found[0], f"{name}_HxW") - getattr(known[0], f"{name}_HxW") for name in CHANCES)
            self.difference = max(self.difference, *(float(np.abs(one).max()) for one in apart))
        return found

    def _run(self, pages_BxHxW: np.ndarray, shown_Bx2: np.ndarray) -> Sequence[np.ndarray]:
        return self._session.run(None, {"pages": pages_BxHxW, "shown": shown_Bx2})


def compare(name: str, source: Path) -> list[dict[str, str]]:
    """A row for the line finder itself, and one for each of its files."""
    ours = load_trained_network(name)
    rows = [{"way": "ours", "MB": ABSENT, "difference": ABSENT, **measure(ours, source)}]
    with TemporaryDirectory() as folder:
        for quantize in QUANTIZATIONS:
            path = Path(folder) / f"{quantize}.onnx"
            megabytes = export_onnx(name, path, quantize=quantize).file_bytes / 1e6
            maps = OnnxMaps(path, ours)
            measured = measure(maps, source)
            difference = f"{maps.difference:.1e}"
            rows.append({"way": f"onnx, {quantize}", "MB": f"{megabytes:.2f}", "difference": difference, **measured})
    return rows


def measure(maps: MapMaker, source: Path) -> dict[str, str]:
    """Lines found and F1, as `hwr evaluate-layout` has them."""
    pages = [page for page in score_layouts(source, LineFinder(maps).find) if not isinstance(page, Skip)]
    if not pages:
        raise InputError(f"{source}: no page with lines and an image")
    rates = summarize_layout(pages)["rates"][ALL]
    rates_shown = {"F1": rates["f1"], "F1 of baselines": rates["baseline_f1"]}
    return {"found": f"{rates['found']:,}", **{name: show_percent(rate) for name, rate in rates_shown.items()}}


if __name__ == "__main__":
    sys.exit(run("onnx_pages", main, sys.argv[1:], program=""))
