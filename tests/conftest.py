"""Strict numerics for every test: rank promotion raises, and array shapes and types are checked at run time."""

import atexit
import dataclasses
import html
import html.parser
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# Four CPU devices, so that one machine can show that one and several devices give the same numbers.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "4")

# Programs that are compiled once for all tests and their processes, and leave the user's own cache alone.
programs = tempfile.mkdtemp(prefix="hwr_jax_programs_")
atexit.register(shutil.rmtree, programs, ignore_errors=True)
os.environ["JAX_COMPILATION_CACHE_DIR"] = programs
os.environ["XDG_CACHE_HOME"] = os.path.join(programs, "cache")

# What a shell in the background or nohup has ignored, processes that tests start and send signals to would ignore too;
# a handler, unlike that, is not handed on to them.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

# Not what a user may have built, but what a test builds itself.
os.environ["HWR_JAX_CPU_KERNELS"] = "no"

from jaxtyping import install_import_hook

install_import_hook("hwr_jax", "beartype.beartype")

import hypothesis
import jax
import numpy as np
import pytest

from hwr_jax.evaluation.evaluate import Evaluation, SampleResult
from hwr_jax.evaluation.predictions import write_predictions
from hwr_jax.evaluation.summary import summarize
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.layout.page import Line, Page, Word
from hwr_jax.layout.page_layout import PageLayout, Region, TextLine
from hwr_jax.reader import Reader
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.distance import count_edits
from hwr_jax.training.workdir import write_json

# No time is asserted: not that of an example either.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

jax.config.update("jax_numpy_rank_promotion", "raise")

REPOSITORY = Path(__file__).resolve().parent.parent

# `pytest -m core`: the files of what a run rests on. They need the package's own requirements alone, in any version.
CORE = (
    *("test_golden_step.py", "test_old_run.py", "test_run.py"),
    *("data/test_pipeline.py", "decoding/test_beam.py", "models/test_bidirectional.py", "models/test_recognizer.py"),
    *("training/test_checkpoint.py", "training/test_devices.py", "training/test_losses.py"),
    *("training/test_optimizer.py", "training/test_step.py", "training/test_trackers.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of `CORE`."""
    files = {REPOSITORY / "tests" / file for file in CORE}
    for item in items:
        if item.path in files:
            item.add_marker(pytest.mark.core)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout: configs/ and the like."""
    return REPOSITORY


@pytest.fixture(scope="module")
def quick_compilation() -> Iterator[None]:
    """Programs compile three times as quickly, and run slower. What they compute does not change but for rounding."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real handwriting, named by HWR_TEST_DATA; skips where there is none."""
    folder = Path(os.environ.get("HWR_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "unipen.tar.xz").exists():
        pytest.skip(f"real data absent: no unipen.tar.xz in {folder} (set HWR_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def training_command(repository) -> Callable[..., list[str]]:
    """`training_command(workdir, *overrides)`: the command line of a run that takes seconds."""
    tiny = [
        "--config.data.writers=40",
        "--config.data.split=writer",
        "--config.data.words_per_writer=4",
        "--config.data.batch_size=8",
        "--config.data.workers=1",
        "--config.model.conv_features=(2,2)",
        "--config.model.dense_features=4",
        "--config.model.lstm_features=(4,4)",
        "--config.model.dropout=0.2",
        "--config.model.lstm_dropout=0.2",
        "--config.augment.shear=0.3",
    ]
    program = [sys.executable, "-m", "hwr_jax.commands.train", f"--config={repository}/configs/quickstart.py"]
    return lambda workdir, *overrides: [*program, f"--workdir={workdir}", *tiny, *overrides]


@pytest.fixture(scope="session")
def run_environment(tmp_path_factory) -> dict[str, str]:
    """For processes of `training_command`: they share the data, and compile quickly, as with `quick_compilation`."""
    return os.environ | {
        "HWR_JAX_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }


@pytest.fixture(scope="session")
def run_keras(run_environment) -> Callable[..., str]:
    """`run_keras(code, *args, backend="jax")` runs Python code that uses Keras and returns what it prints.

    No test imports Keras: in a process of its own it finds its backend unset, and neither our rank promotion nor our
    errors for warnings. Results come back in files that the code writes. Skips without Keras or the backend.
    """

    def run(code: str, *args: object, backend: str = "jax") -> str:
        for name in ("keras", backend):
            if importlib.util.find_spec(name) is None:
                pytest.skip(f"{name} is not installed")
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, args)],
            # Keras computes as it does for its users.
            env=run_environment | {"KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "0"},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


@pytest.fixture(scope="session")
def write_keras_weights() -> Callable[[Path, Mapping[str, Mapping[str, np.ndarray]]], None]:
    """`write_keras_weights(path, tree)` writes parameters as Keras 3 writes a .weights.h5 file. Skips without h5py."""
    h5py = pytest.importorskip("h5py")
    parts = ("kernel", "recurrent_kernel", "bias")

    def write(path: Path, tree: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        numbers = Counter[str]()
        with h5py.File(path, "w") as file:

            def add(kind: str, arrays: Mapping[str, list[np.ndarray]]) -> None:
                group = file.create_group(f"layers/{kind}_{numbers[kind]}" if numbers[kind] else f"layers/{kind}")
                numbers[kind] += 1
                for inner, values in arrays.items():
                    variables = group.create_group(f"{inner}vars")
                    for place, value in enumerate(values):
                        variables[str(place)] = np.asarray(value)

            for name, layer in tree.items():
                if name.startswith("bidirectional"):
                    add(
                        "bidirectional",
                        {f"{d}_layer/cell/": [layer[f"{d}_{part}"] for part in parts] for d in ("backward", "forward")},
                    )
                else:
                    add("conv2d" if name.startswith("Conv") else "dense", {"": [layer["kernel"], layer["bias"]]})
                if name.startswith("Conv"):
                    add("max_pooling2d", {"": []})

    return write


Sample = tuple[str, str, str, str]


def make_results(samples: Sequence[Sample]) -> tuple[SampleResult, ...]:
    return tuple(
        SampleResult(
            id=id,
            writer=writer,
            truth=truth,
            prediction=prediction,
            prediction_ids=(),
            confidence=0.5,
            edits=count_edits(truth, prediction),
            loss=1.0,
            loss_excluded=None,
        )
        for id, writer, truth, prediction in samples
    )


@pytest.fixture
def write_run() -> Callable[..., Path]:
    """`write_run(folder, samples, **files)`: samples are (id, writer, truth, prediction)."""

    def write(
        folder: Path,
        samples: Sequence[Sample],
        *,
        split: str = "test",
        data: str = "synthetic",
        split_rule: str | None = "by-writer",
        metrics: Sequence[dict[str, Any]] = (),
        **files: dict[str, Any],
    ) -> Path:
        summary = summarize(
            Evaluation(make_results(samples), {}, 1.0),
            decoder="greedy",
            model=f"{folder.name}@10",
            parameters=1234,
            data=data,
            split=split,
            split_rule=split_rule or "",
        )
        if split_rule is None:  # As older versions wrote it.
            del summary["split_rule"], summary["parameters"]
        write_json(folder / "evaluation" / f"{split}.json", summary)
        write_predictions(folder / "evaluation" / f"{split}.tsv", make_results(samples))
        for name, content in files.items():
            write_json(folder / f"{name}.json", content)
        if metrics:
            (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics))
        return folder

    return write


class PageParser(html.parser.HTMLParser):
    """Collects elements and visible text, and fails on elements that are not closed in order."""

    VOID = frozenset({"meta", "img", "br", "wbr", "input"})

    def __init__(self):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def parse_page() -> Callable[[str], PageParser]:
    """`parse_page(page)`: its elements and text; fails if it is not well-formed."""

    def parse(page: str) -> PageParser:
        parser = PageParser()
        parser.feed(page)
        assert parser.open == []
        return parser

    return parse


@pytest.fixture
def example_page() -> Page:
    """A page of two regions: letters of several scripts, a line without places of words, and one that was not read."""

    def line(text: str, left: float | int, bottom: float | int, region: int, **values: Any) -> Line:
        left, bottom = float(left), float(bottom)
        right = left + 20 * len(text)
        words, x = [], left
        for word in text.split():
            box, each = (x, bottom - 30, x + 20 * len(word), bottom + 10), (0.97,) * len(word)
            sides = tuple((x + 20 * i, bottom - 30, x + 20 * (i + 1), bottom + 10) for i in range(len(word)))
            words.append(Word(word, 0.5 if "x" in word else 0.95, box, each, sides))
            x += 20 * (len(word) + 1)
        outline = [(left, bottom - 30), (right, bottom - 30), (right, bottom + 10), (left, bottom + 10)]
        baseline = np.array([(left, bottom), (right, bottom)], np.float64)
        known = {"text": text, "confidence": 0.9, "words": tuple(words)} | values
        return Line(outline_Nx2=np.array(outline, np.float64), baseline_Mx2=baseline, region=region, **known)

    lines = (
        line("Où façade ő ğ Straße", 50, 100, 0),
        line('Привет <x> & "y"', 50, 160, 0),
        line("no words here", 50, 220, 0, words=()),
        line("in the margin", 620, 120, 1),
        line("????", 620, 180, 1, confidence=0.0, words=(), problem="lies outside the page"),
    )
    corners = np.array([(50, 70), (560, 70), (560, 230), (50, 230)], np.float64)
    unread = dataclasses.replace(lines[-1], text="")
    return Page(900, 400, (*lines[:-1], unread), (Region(corners), Region(corners + np.array([570, 0]))))


class BlockModel:
    """Reads "a", "ab" or "abc" of a line of one, two or three dark blocks; frames are two of its input's columns."""

    alphabet = Alphabet("abc")
    preprocessing = Preprocessing(height_px=4, width_px=12)
    stride_px = 2

    def log_probs(self, images_BxHxW: np.ndarray, widths_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ink_BxT = (images_BxHxW < 128).any(axis=1).reshape(len(images_BxHxW), 6, 2).any(axis=2)
        probs_BxTxK = np.full((*ink_BxT.shape, self.alphabet.num_classes), 0.02, np.float32)
        for row, ink_T in zip(probs_BxTxK, ink_BxT, strict=True):
            letters = iter([1, 2, 3])
            for probs_K, ink in zip(row, ink_T, strict=True):
                probs_K[next(letters, 3) if ink else self.alphabet.blank_id] = 0.9
        return np.log(probs_BxTxK), widths_B // self.stride_px


class BlockPages:
    """Pages of lines of blocks, each line 120 x 40 pixels, and a reader that reads them."""

    reader = Reader(BlockModel())

    def draw(self, size: tuple[int, int], *lines: tuple[int, int, int]) -> tuple[np.ndarray, PageLayout]:
        """A page of this width and height, and its layout; lines of so many blocks, from the left and the top."""
        page_HxW = np.full(size[::-1], 255, np.uint8)
        found = []
        for blocks, left, top in lines:
            for block in range(blocks):
                page_HxW[top + 10 : top + 30, left + 40 * block : left + 40 * block + 20] = 0
            corners = np.array([(0, 0), (120, 0), (120, 40), (0, 40)], np.float64) + np.array([left, top])
            found.append(TextLine(corners, np.array([(left, top + 30), (left + 120, top + 30)], np.float64)))
        whole = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float64)
        return page_HxW, PageLayout(*size, tuple(found), (Region(whole),) if found else ())

    @staticmethod
    def turn_points(points_Nx2: np.ndarray, width: int, height: int, turns: int) -> np.ndarray:
        """Points of a page of this size, turned clockwise by 90 degrees so many times."""
        sizes = (width, height)
        for _ in range(turns):
            points_Nx2 = np.stack([sizes[1] - points_Nx2[:, 1], points_Nx2[:, 0]], axis=1)
            sizes = sizes[::-1]
        return points_Nx2

    def turn(self, layout: PageLayout, turns: int) -> PageLayout:
        """The layout of the page turned clockwise by 90 degrees so many times, as `np.rot90(page_HxW, -turns)` does."""
        width, height = layout.width_px, layout.height_px

        def turned(points_Nx2: np.ndarray) -> np.ndarray:
            return self.turn_points(points_Nx2, width, height, turns)

        lines = tuple(TextLine(turned(one.outline_Nx2), turned(one.baseline_Mx2), one.region) for one in layout.lines)
        regions = tuple(Region(turned(region.outline_Nx2)) for region in layout.regions)
        return PageLayout(*((height, width) if turns % 2 else (width, height)), lines, regions, turns)


@pytest.fixture
def block_pages() -> BlockPages:
    """Draws pages whose text and places are known, and reads them."""
    return BlockPages()


PHONE_PX = (390, 844)
FRAME = """<iframe srcdoc="{page}" style="width: {width}px; height: {height}px; border: 0" onload="
  const inside = this.contentDocument, number = inside.querySelector('.headline b').getBoundingClientRect();
  document.title = JSON.stringify([inside.documentElement.scrollWidth, number.left, number.right, number.bottom]);
"></iframe>"""


@pytest.fixture
def check_on_phone(tmp_path) -> Callable[[str], None]:
    """`check(page)`: in a browser as wide as a telephone, a page does not scroll sideways and begins with a number."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("looking at a page on a telephone needs chromium")

    def check(page: str) -> None:
        width_px, height_px = PHONE_PX
        framed = tmp_path / "framed.html"
        framed.write_text(FRAME.format(page=html.escape(page), width=width_px, height=height_px), encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"]
        command = [chromium, *options, f"--user-data-dir={tmp_path / 'chromium'}", framed.as_uri()]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
        page_px, left_px, right_px, bottom_px = json.loads(shown.partition("<title>")[2].partition("</title>")[0])
        assert page_px <= width_px
        assert 0 <= left_px < right_px <= width_px
        assert bottom_px <= height_px

    return check


@pytest.fixture(scope="session")
def validate_xml(repository):
    """`validate_xml(name, xml)`: fails where the schema of the format says that it is wrong."""
    etree = pytest.importorskip("lxml.etree", reason="lxml is not installed")
    schemas = repository / "tests/golden/schemas"

    class Local(etree.Resolver):
        def resolve(self, url, public_id, context):
            return self.resolve_filename(str(schemas / "xlink.xsd"), context) if url.endswith("xlink.xsd") else None

    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Local())
    files = {"alto": "alto-4-4.xsd", "page": "page-2019-07-15.xsd"}
    known = {name: etree.XMLSchema(etree.parse(str(schemas / file), parser)) for name, file in files.items()}
    return lambda name, xml: known[name].assertValid(etree.fromstring(xml))
