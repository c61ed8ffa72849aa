"""`python -m experiments.benchmarks.browser`: readers as HTML files in headless Chromium, ours and onnxruntime-web's.

For each model: the size of the file; milliseconds from opening it to the first log probabilities of a word or line, in
new browsers, and the seconds of a processor that Chromium took for it; and milliseconds a sample after that, both in
turn, without preprocessing and decoding. With --onnxruntime_web the same int8 weights are read by onnxruntime-web on
one thread, its WebAssembly put into a file too.
"""

import base64
import contextlib
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from experiments.benchmarks.command import describe_here, make_parser, write_numbers
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import run
from hwr_jax.errors import InputError
from hwr_jax.export import export_html, export_onnx
from hwr_jax.ink.model_input import measure_widths
from hwr_jax.ink.pen_input import draw_pen_input
from hwr_jax.ink.preprocessing import preprocess
from hwr_jax.ink.writers import make_writer, write_line
from hwr_jax.training.load import load_model

_WORDS = ("bread", "handle", "winter", "Thomas", "yellow", "letters", "about", "Hand")
# Rounds before the clock counts: browsers compile what runs often a second time.
_WARM_UP = 10
_BYTES = """window.bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));"""
_OURS = """async (sample) => {
  const reader = await ready;
  window.takeTurn = async ({ grey }) => {
    const one = { ...grey, pixels: bytes(grey.pixels) };
    const image = preprocess(one, about.preprocessing);
    const { input, width } = imageToInput(image, about.preprocessing, about.stride_px);
    const start = performance.now();
    reader.computeLogProbs(input, width, image.height);
    return performance.now() - start;
  };
  await window.takeTurn(sample);
  return performance.now();
}"""
_THEIRS = """async (sample) => {
  const session = await window.session;
  window.takeTurn = async ({ image, width, height }) => {
    const start = performance.now();
    const inputs = { images: new ort.Tensor("uint8", bytes(image), [1, height, width]) };
    if (session.inputNames.includes("widths")) inputs.widths = new ort.Tensor("int32", Int32Array.of(width), [1]);
    await session.run(inputs);
    return performance.now() - start;
  };
  await window.takeTurn(sample);
  return performance.now();
}"""
_PAGE = """<!DOCTYPE html><meta charset="utf-8"><script type="text/plain" id="code">{code}</script>
<script type="text/plain" id="wasm">{wasm}</script><script type="text/plain" id="model">{model}</script><script>
const bytesOf = (id) => Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
window.session = (async () => {{
  const code = new Blob([bytesOf("code")], {{ type: "text/javascript" }});
  window.ort = await import(URL.createObjectURL(code));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = bytesOf("wasm").buffer;
  return ort.InferenceSession.create(bytesOf("model"), {{ executionProviders: ["wasm"] }});
}})();
</script>"""


def main(argv: Sequence[str]) -> int:
    counts = {
        "openings": (5, "times that each file is opened in a new browser"),
        "rounds": (60, "samples that are timed, each by every way in turn"),
    }
    parser = make_parser("browser", __doc__, counts)
    parser.add_argument(
        "--models", metavar="A,B", default="unipen_words,unipen_words_large,unipen_lines_large,latin_lines"
    )
    parser.add_argument("--onnxruntime_web", type=Path, metavar="DIR", help="the npm package onnxruntime-web, unpacked")
    options = parser.parse_args(argv)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise InputError("playwright is not installed: pip install playwright") from error
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        raise InputError("chromium is not installed")
    rows = []
    with sync_playwright() as playwright, TemporaryDirectory() as folder:
        for name in options.models.split(","):
            files = {"ours": Path(folder) / f"{name}.html"}
            export_html(name, files["ours"])
            if options.onnxruntime_web:
                files["onnxruntime-web"] = Path(folder) / f"{name}_onnxruntime.html"
                write_onnx_page(name, options.onnxruntime_web, files["onnxruntime-web"])
            samples = make_samples(name)
            started = measure_openings(playwright.chromium, chromium, files, samples, options.openings)
            rows += measure(playwright.chromium, chromium, name, files, samples, started, options.rounds)
    print(align_columns([[*rows[0]], *([*row.values()] for row in rows)], right=range(2, len(rows[0]))))
    print(describe_here()[0])
    write_numbers(options, {"rows": rows})
    return 0


def write_onnx_page(name: str, package: Path, path: Path) -> None:
    """A page with the same weights, and onnxruntime-web with its WebAssembly in it."""
    export_onnx(name, path.with_suffix(".onnx"), quantize="int8")
    contents = {
        "code": package / "dist" / "ort.wasm.bundle.min.mjs",
        "wasm": package / "dist" / "ort-wasm-simd-threaded.wasm",
        "model": path.with_suffix(".onnx"),
    }
    encoded = {key: base64.b64encode(file.read_bytes()).decode() for key, file in contents.items()}
    path.write_text(_PAGE.format(**encoded), encoding="utf-8")


def make_samples(name: str) -> list[dict[str, Any]]:
    """Words, or lines of four words, by synthetic writers: drawn from strokes, and as the model takes them."""
    model = load_model(name)
    samples = []
    for seed, word in enumerate(_WORDS):
        words = [word] if "words" in name else [_WORDS[(seed + step) % len(_WORDS)] for step in range(4)]
        strokes = write_line(make_writer(7), " ".join(words), np.random.default_rng(seed))
        grey_HxW, _ = draw_pen_input(strokes, model.preprocessing.kind)
        image_HxW = preprocess(grey_HxW, model.preprocessing)
        counted = int(measure_widths(image_HxW[None], model.preprocessing)[0])
        width = -(-counted // model.stride_px) * model.stride_px
        grey = {"pixels": _encode(grey_HxW), "height": grey_HxW.shape[0], "width": grey_HxW.shape[1]}
        image = _encode(image_HxW[:, :width])
        samples.append({"grey": grey, "image": image, "width": width, "height": model.preprocessing.height_px})
    return samples


def _encode(pixels_HxW: np.ndarray) -> str:
    return base64.b64encode(pixels_HxW.tobytes()).decode()


def open_file(chromium: Any, program: str, way: str, path: Path, sample: dict[str, Any]) -> tuple[Any, float, float]:
    """The file in a new browser, the milliseconds until the sample was read, and the processor's seconds."""
    page = chromium.launch(executable_path=program, args=["--no-sandbox"]).new_page()
    page.add_init_script(_BYTES)
    page.goto("about:blank")
    before = processor_seconds()
    page.goto(path.as_uri())
    milliseconds = page.evaluate(_OURS if way == "ours" else _THEIRS, sample)
    return page, milliseconds, processor_seconds() - before


def processor_seconds() -> float:
    """Of all processes of Chromium that this one started, and of what drives them."""
    seconds = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


def measure_openings(
    chromium: Any, program: str, files: dict[str, Path], samples: list[dict[str, Any]], openings: int
) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds and the processor's seconds of each opening, all files in turn."""
    started: dict[str, list[tuple[float, float]]] = {way: [] for way in files}
    for _ in range(openings):
        for way, path in files.items():
            page, *taken = open_file(chromium, program, way, path, samples[0])
            page.context.browser.close()
            started[way].append((taken[0], taken[1]))
    return started


def measure(
    chromium: Any,
    program: str,
    name: str,
    files: dict[str, Path],
    samples: list[dict[str, Any]],
    started: dict[str, list[tuple[float, float]]],
    rounds: int,
) -> list[dict[str, str]]:
    """A row for each file, the pages of all open at once."""
    pages = {way: open_file(chromium, program, way, path, samples[0])[0] for way, path in files.items()}
    times: dict[str, list[float]] = {way: [] for way in files}
    for number in range(_WARM_UP + rounds):
        for way, page in pages.items():
            taken = page.evaluate("(sample) => takeTurn(sample)", samples[number % len(samples)])
            if number >= _WARM_UP:
                times[way].append(taken)
    for page in pages.values():
        page.context.browser.close()
    return [
        {
            "model": name,
            "way": way,
            "MB": f"{path.stat().st_size / 1e6:.2f}",
            "first, ms": f"{statistics.median(ms for ms, _ in started[way]):.0f}",
            "least": f"{min(ms for ms, _ in started[way]):.0f}",
            "processor, s": f"{statistics.median(seconds for _, seconds in started[way]):.2f}",
            "a sample, ms": f"{statistics.median(times[way]):.1f}",
            "least ": f"{min(times[way]):.1f}",
        }
        for way, path in files.items()
    ]


if __name__ == "__main__":
    sys.exit(run("browser", main, sys.argv[1:], program=""))
