"""The page in a real browser: what it draws, computes and reads is what we do, and it sends nothing."""

import base64
import dataclasses
import io
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import PIL
import pytest
from PIL import Image

import hwr_jax
from hwr_jax.config import ExperimentConfig, ModelConfig
from hwr_jax.data.formats.synthetic import write_samples
from hwr_jax.export import export_html
from hwr_jax.ink.model_input import measure_widths
from hwr_jax.ink.pen_input import draw_pen_input
from hwr_jax.ink.preprocessing import preprocess
from hwr_jax.ink.writers import make_writer, write_word
from hwr_jax.models.quantized import quantize_int8
from hwr_jax.models.recognizer import Recognizer, shapes_of
from hwr_jax.models.trained import TrainedModel, build_trained, load_exported, save_exported
from hwr_jax.nested import unflatten
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.load import load_model

# Before version 13 Pillow resized columns first always.
ROUNDING = 0 if int(PIL.__version__.split(".")[0]) >= 13 else 2
WORDS = ("bread", "handle", "winter", "Thomas", "yellow")
SIZES = {"height_px": 16, "width_px": 64, "dense_features": 8, "lstm_features": (8, 5)}
# Sizes that are no multiples of 8 among them.
TINY = {
    "keras": (ModelConfig(**SIZES, conv_features=(4, 6)), "keras"),
    "residual": (
        ModelConfig(
            **SIZES,
            encoder="residual",
            conv_features=(4, 6, 8),
            conv_blocks=(0, 1, 1),
            normalization="channels",
            shortcut=True,
        ),
        "line",
    ),
    "plainer": (
        ModelConfig(
            **SIZES | {"dense_features": 0},
            encoder="residual",
            conv_features=(4, 6),
            conv_blocks=(1, 0),
            columns="max",
        ),
        "word",
    ),
}
SEE = """async ([pixels, width, height]) => {
  const grey = { pixels: Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0)), width, height };
  const { image, logProbs, frames, classes } = (await ready).seeGrey(grey);
  return { image: [...image.pixels], counted: image.counted, logProbs: [...logProbs], frames, classes };
}"""
READ = """async ([pixels, width, height]) =>
  (await ready).readGrey({ pixels: Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0)), width, height })"""
DRAW = """(strokes) => { const { pixels, width, height } = drawStrokes(strokes, about.max_width_px);
  return { pixels: [...pixels], width, height }; }"""


@pytest.fixture(scope="module")
def open_page(browser, tmp_path_factory) -> Iterator[Callable[..., Any]]:
    """`open_page(model, quantize)`: the exported page, opened; one a model. No page asks for anything but itself."""
    folder, pages, asked = tmp_path_factory.mktemp("pages"), {}, []

    def open_page(model: str | Path, quantize: str = "int8") -> Any:
        if (model, quantize) not in pages:
            path = folder / f"{len(pages)}.html"
            export_html(model, path, quantize=quantize)
            page = pages[model, quantize] = browser.new_page(viewport={"width": 900, "height": 900})
            page.on("request", lambda request: asked.append((path, request.url)))
            page.on("pageerror", lambda error: asked.append((path, str(error))))
            page.goto(path.as_uri())
        return pages[model, quantize]

    yield open_page
    # The page itself, and its icon, which is empty.
    outside = [
        (path.name, url) for path, url in asked if url != path.as_uri() and not url.startswith(("data:", "blob:"))
    ]
    assert outside == []


@pytest.fixture(scope="module")
def pad(open_page) -> Callable[[], Any]:
    """`pad()`: a page of words with nothing on its pad and no text."""

    def clean() -> Any:
        page = open_page("unipen_words_large")
        page.evaluate("() => { clear(); byId('kept').value = ''; byId('copied').textContent = ''; show(); }")
        return page

    return clean


def make_tiny(folder: Path, name: str) -> Path:
    config, kind = TINY[name]
    alphabet, random = Alphabet("abcäé"), np.random.default_rng(0)
    shapes = shapes_of(Recognizer(config, alphabet.num_classes))
    tree = unflatten({key: 0.3 * random.normal(size=shape).astype(np.float32) for key, shape in shapes.items()}, "/")
    plain = to_plain(ExperimentConfig(model=config))
    plain["data"]["preprocessing"] = kind
    save_exported(build_trained(name, plain, alphabet.characters, tree, name), folder / name, {})
    return folder / name


def as_kept(model: TrainedModel, quantize: str) -> TrainedModel:
    """The model with its matrices rounded as the page keeps them."""

    def rounded(leaf: Any) -> np.ndarray:
        weights = np.asarray(leaf)
        if weights.ndim < 2 or quantize == "none":
            return weights
        if quantize == "float16":
            return weights.astype(np.float16).astype(np.float32)
        numbers, scales = quantize_int8(weights.reshape(-1, weights.shape[-1]), (0,))
        return (numbers * scales).reshape(weights.shape)

    return dataclasses.replace(model, tree=jax.tree.map(rounded, dict(model.tree)))


def make_images() -> list[np.ndarray]:
    """Words of synthetic writers: as drawn, light on dark, faint, large, and on an uneven ground."""
    greys = [np.asarray(Image.open(io.BytesIO(one.image))) for one in write_samples(4, words=6, seed=8)]
    slope = np.linspace(0, 40, greys[4].shape[1])[None]
    return [
        greys[0],
        255 - greys[1],
        (230 - (255 - greys[2]) // 3).astype(np.uint8),
        np.kron(greys[3], np.ones((3, 3), np.uint8)),
        np.clip(greys[4] - slope, 0, 255).astype(np.uint8),
        np.full((20, 30), 200, np.uint8),
    ]


def encode(grey_HxW: np.ndarray) -> list[Any]:
    height, width = grey_HxW.shape
    return [base64.b64encode(grey_HxW.tobytes()).decode(), width, height]


@pytest.mark.parametrize(
    ("name", "quantize"),
    [
        ("unipen_words", "int8"),
        ("unipen_lines_large", "none"),
        ("unipen_words_seed", "float16"),
        *((name, "none") for name in TINY),
    ],
)
def test_images_and_log_probabilities_are_ours(name, quantize, open_page, tmp_path_factory):
    model_name = make_tiny(tmp_path_factory.mktemp(name), name) if name in TINY else name
    page = open_page(model_name, quantize)
    model = load_exported(model_name) if name in TINY else load_model(name)
    model = as_kept(model, quantize)
    for grey_HxW in make_images():
        seen = page.evaluate(SEE, encode(grey_HxW))
        image_HxW = preprocess(grey_HxW, model.preprocessing)
        np.testing.assert_allclose(np.reshape(seen["image"], image_HxW.shape), image_HxW.astype(int), atol=ROUNDING)
        widths_1 = measure_widths(image_HxW[None], model.preprocessing)
        assert seen["counted"] == widths_1[0]
        log_probs_1xTxK, frames_1 = model.log_probs(image_HxW[None], widths_1)
        assert (seen["frames"], seen["classes"]) == (frames_1[0], model.alphabet.num_classes)
        found_TxK = np.reshape(seen["logProbs"], (seen["frames"], seen["classes"]))
        np.testing.assert_allclose(found_TxK, log_probs_1xTxK[0, : frames_1[0]], atol=1e-3)


def test_strokes_are_drawn_as_ours_are(open_page):
    page, random = open_page("unipen_words"), np.random.default_rng(2)
    marks = [[np.array([[3.0, 4.0]])], [np.array([[0.0, 0], [9, 0]])], [np.array([[1e5, 7], [1e5, 8.0], [1e5 + 3, 9]])]]
    words = [write_word(make_writer(seed), word, random) for seed, word in enumerate(WORDS)]
    for strokes in [*words, *marks]:
        drawn = page.evaluate(DRAW, [stroke.tolist() for stroke in strokes])
        expected_HxW, _ = draw_pen_input(strokes, "word")
        found_HxW = np.reshape(drawn["pixels"], (drawn["height"], drawn["width"])).astype(int)
        difference = np.abs(found_HxW - expected_HxW)
        # Ours are drawn in float32.
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.01


def test_readings_of_strokes_are_ours(open_page):
    page, reader = open_page("unipen_words", "none"), hwr_jax.load("unipen_words")
    for seed, word in enumerate(WORDS):
        strokes = write_word(make_writer(seed + 20), word, np.random.default_rng(seed))
        found = page.evaluate("(strokes) => handwriting.readStrokes(strokes)", [stroke.tolist() for stroke in strokes])
        expected = reader.read_strokes(strokes, boxes=True)
        assert found["text"] == expected.text
        # Drawings may differ by a grey level.
        assert found["confidence"] == pytest.approx(expected.confidence, abs=0.01)
        drawn_HxW, _ = draw_pen_input(strokes, "word")
        same = page.evaluate(READ, encode(drawn_HxW))
        assert same["confidence"] == pytest.approx(expected.confidence, abs=2e-4)
        sides = [[box["left"], box["right"]] for box in found["boxes"]]
        np.testing.assert_allclose(sides, [[box.left, box.right] for box in expected.boxes], atol=0.05)
        assert len(found["alternatives"]) == 3
        assert all(0 <= one["probability"] <= found["confidence"] for one in found["alternatives"])


def test_alternatives_are_the_likeliest_texts(open_page):
    """Against the sum over all paths of few frames, each of which says a text."""
    page, random = open_page("unipen_words"), np.random.default_rng(5)
    frames, characters, classes = 5, "ab", 5
    probs_TxK = random.dirichlet(np.full(classes, 0.7), frames).astype(np.float32)
    totals: dict[str, float] = {}
    for path in np.ndindex(*(classes,) * frames):
        # Class 0 and the last but one stand for nothing, and blanks part equal characters.
        if set(path) <= {1, 2, classes - 1}:
            kept = [k for k, before in zip(path, (-1, *path), strict=False) if k != before and k != classes - 1]
            text = "".join(characters[k - 1] for k in kept)
            totals[text] = totals.get(text, 0) + float(np.prod(probs_TxK[np.arange(frames), path]))
    code = """([probs, frames, classes, characters]) =>
      findTexts(Float32Array.from(probs).map(Math.log), frames, classes, [...characters])"""
    found = page.evaluate(code, [probs_TxK.ravel().tolist(), frames, classes, characters])
    best = sorted(totals.items(), key=lambda item: -item[1])[:4]
    assert [one["text"] for one in found[:4]] == [text for text, _ in best]
    np.testing.assert_allclose([np.exp(one["logProb"]) for one in found[:4]], [total for _, total in best], rtol=1e-3)
    code = "([probs, frames, classes, ids]) => scoreText(Float32Array.from(probs).map(Math.log), frames, classes, ids)"
    for text, total in totals.items():
        ids = [1 + characters.index(character) for character in text]
        score = page.evaluate(code, [probs_TxK.ravel().tolist(), frames, classes, ids])
        assert score == pytest.approx(np.log(total), abs=1e-4)


def write_on(page: Any, strokes: list[np.ndarray]) -> None:
    """Moves the mouse over the pad as the pen goes, and waits for what is read."""
    box = page.locator("#pad").bounding_box()
    points_Px2 = np.concatenate(strokes)
    low_2, extent_2 = points_Px2.min(axis=0), np.ptp(points_Px2, axis=0)
    scale = min((box["width"] - 40) / extent_2[0], (box["height"] - 60) / extent_2[1])
    for stroke in strokes:
        path = (stroke - low_2) * scale + np.array([box["x"] + 20, box["y"] + 20])
        page.mouse.move(*path[0])
        page.mouse.down()
        for point in [*path[1:-1:3], path[-1]]:
            page.mouse.move(*point)
        page.mouse.up()
    page.locator("#confidence:not(:empty)").wait_for()


@pytest.mark.parametrize("number", range(len(WORDS)))
def test_words_drawn_by_pointer_are_read(number, pad):
    page, seed = pad(), (3, 5, 9, 11, 4)[number]
    write_on(page, write_word(make_writer(seed), WORDS[number], np.random.default_rng(seed)))
    assert page.locator("#text").inner_text() == WORDS[number]
    assert page.locator("#confidence").inner_text().endswith(" % sure")


def test_words_are_collected_and_taken_back(pad):
    page = pad()
    assert page.locator("#undo").is_disabled()
    strokes = write_word(make_writer(3), "bread", np.random.default_rng(3))
    write_on(page, strokes)
    page.click("#keep")
    assert page.locator("#kept").input_value() == "bread"
    assert page.evaluate("strokes.length") == 0
    write_on(page, strokes)
    page.keyboard.press("Backspace")
    assert page.evaluate("strokes.length") == len(strokes) - 1
    page.locator("#confidence:not(:empty)").wait_for()
    alternative = page.locator("#alternatives button").first
    text = alternative.inner_text()
    alternative.click()
    assert page.locator("#kept").input_value() == f"bread {text}"
    page.click("#copy")
    page.locator("#copied:not(:empty)").wait_for()
    write_on(page, strokes)
    page.keyboard.press("Enter")
    assert page.locator("#kept").input_value() == f"bread {text} bread"
    write_on(page, strokes)
    page.click("#clear")
    assert page.evaluate("[strokes.length, byId('text').textContent]") == [0, ""]


DROP = """([name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0)), data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def drop(page: Any, name: str, content: bytes, type: str = "image/png") -> None:
    page.evaluate(DROP, [name, type, base64.b64encode(content).decode()])


def encode_png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


CUT_PNG = encode_png(np.zeros((9, 9), np.uint8))[:60]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "ink on nothing"])
def test_a_dropped_image_is_read_as_we_read_it(mode, pad):
    page = pad()
    grey_HxW = make_images()[3]
    if mode == "ink on nothing":
        content = encode_png(np.stack([*[np.full_like(grey_HxW, 255)] * 3, 255 - grey_HxW], axis=-1))
    else:
        content = encode_png(np.asarray(Image.fromarray(grey_HxW).convert(mode)))
    drop(page, "word.png", content)
    page.locator("#confidence:not(:empty)").wait_for()
    (expected,) = hwr_jax.load("unipen_words_large").read(content, are_crops=True)
    assert page.locator("#text").inner_text() == expected.text != ""


def test_a_part_of_an_image_is_read_alone(pad):
    page = pad()
    first, second = (np.pad(make_images()[number], 8, constant_values=255) for number in (0, 4))
    height = max(len(first), len(second))
    both = np.concatenate(
        [np.pad(one, ((0, height - len(one)), (0, 0)), constant_values=255) for one in (first, second)], 1
    )
    drop(page, "two.png", encode_png(both))
    page.locator("#confidence:not(:empty)").wait_for()
    frame = page.evaluate("pictureFrame(pad.clientWidth, pad.clientHeight)")
    box = page.locator("#pad").bounding_box()
    left, top = box["x"] + 1 + frame["left"], box["y"] + 1 + frame["top"]
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + first.shape[1] * frame["scale"], top + height * frame["scale"] + 5)
    page.mouse.up()
    part = page.evaluate("picture.part")
    assert abs(part["width"] - first.shape[1]) <= 3
    page.wait_for_timeout(400)
    crop = both[part["y"] : part["y"] + part["height"], part["x"] : part["x"] + part["width"]]
    (expected,) = hwr_jax.load("unipen_words_large").read(np.ascontiguousarray(crop), are_crops=True)
    assert page.locator("#text").inner_text() == expected.text
    page.click("#undo")
    assert page.evaluate("picture.part.width") == both.shape[1]


def test_a_part_of_an_image_is_chosen_by_keyboard(pad):
    page = pad()
    image = np.pad(make_images()[0], 8, constant_values=255)
    drop(page, "word.png", encode_png(np.concatenate([image, np.full_like(image, 255)], 1)))
    page.locator("#confidence:not(:empty)").wait_for()
    across = math.ceil(2 * image.shape[1] / 20)
    page.locator("#pad").focus()
    for _ in range(25):
        page.keyboard.press("Shift+ArrowLeft")
    assert page.evaluate("[picture.part.x, picture.part.width]") == [0, across]
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    page.locator("#problem:visible").wait_for()
    assert page.locator("#problem").inner_text() == "word.png: blank: there is no ink in it"
    assert page.evaluate("picture.part.x") == 2 * image.shape[1] - across
    for _ in range(25):
        page.keyboard.press("ArrowLeft")
    for _ in range(12):
        page.keyboard.press("Shift+ArrowRight")
    page.locator("#confidence:not(:empty)").wait_for()
    part = page.evaluate("picture.part")
    assert (part["x"], part["width"], part["height"]) == (0, 13 * across, len(image))
    crop = np.pad(image, ((0, 0), (0, 13 * across - image.shape[1])), constant_values=255)
    (expected,) = hwr_jax.load("unipen_words_large").read(crop, are_crops=True)
    assert page.locator("#text").inner_text() == expected.text != ""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.png", b"", "empty.png: empty file (0 bytes)"),
        ("notes.txt", b"hello", "notes.txt: not an image that this browser can open, or a damaged one"),
        ("cut.png", CUT_PNG, "cut.png: not an image that this browser can open, or a damaged one"),
        ("white.png", encode_png(np.full((40, 90), 255, np.uint8)), "white.png: blank: there is no ink in it"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(name, content, message, pad):
    page = pad()
    drop(page, name, content)
    page.locator("#problem:not([hidden])").wait_for()
    assert page.locator("#problem").inner_text() == message
    assert page.locator("#text").inner_text() == ""


def test_strokes_that_cannot_be_read_are_said(open_page):
    page = open_page("unipen_words")
    read = "(strokes) => handwriting.readStrokes(strokes).then(() => '', (error) => error.message)"
    for strokes, message in (
        ([], "there is no ink to read"),
        ([[]], "stroke 0 has no point"),
        ([[[1, None]]], "stroke 0: x 1, y null is no place"),
    ):
        assert page.evaluate(read, strokes) == message
    scribble = "[Array.from({ length: 100000 }, () => [1000 * Math.random(), 50 * Math.random()])]"
    assert page.evaluate(f"({read})({scribble})") == "the pen's path is too long to be writing"
    # A straight stroke of as many points is a dash like any other.
    assert page.evaluate(f"({read})([Array.from({{ length: 100000 }}, (_, i) => [i / 1000, 5])])") == ""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_and_all_can_be_seen(width, scheme, browser, tmp_path):
    export_html("unipen_words", tmp_path / "reader.html")
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.goto((tmp_path / "reader.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    names = page.evaluate(
        "[...document.querySelectorAll('button, input, textarea, canvas')].map((one) => "
        "one.getAttribute('aria-label') || one.textContent || (one.labels[0] && one.labels[0].textContent))"
    )
    assert all(name.strip() for name in names)
    assert contrast(page, "--ink", "--paper") >= 7
    assert min(contrast(page, name, "--page") for name in ("--quiet", "--accent", "--bad")) >= 4.5
    assert contrast(page, "--on-accent", "--accent") >= 4.5
    page.close()


def contrast(page: Any, one: str, other: str) -> float:
    """The ratio of luminances, WCAG 2.2."""
    luminances = []
    for name in (one, other):
        levels = np.array([int(page.evaluate("color", name)[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
        luminances.append(float(linear @ np.array([0.2126, 0.7152, 0.0722])))
    return (max(luminances) + 0.05) / (min(luminances) + 0.05)


def test_the_file_says_what_it_is(open_page):
    about = open_page("unipen_words").evaluate("about")
    assert about["characters"] == load_model("unipen_words").alphabet.characters
    assert about["trained_on"] == ["unipen_words"]
    assert "CC BY 4.0" in about["licence"]
    assert about["weights"] == "int8"
    assert json.dumps(about["calibration"])
