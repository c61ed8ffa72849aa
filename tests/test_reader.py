"""The Python face: what may be read, and that nothing is imported before it is needed."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import hwr_jax
from hwr_jax.decoding.calibrated import CalibratedDecoder, Calibrations
from hwr_jax.decoding.calibration import Calibration
from hwr_jax.decoding.decoder import BeamDecoder, Hypothesis
from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.ink.writers import make_writer, write_word
from hwr_jax.reader import Reader, Reading
from hwr_jax.text.alphabet import Alphabet

ALPHABET = Alphabet("abc")


class WidthModel:
    """Reads "a", "ab" or "abc", for one, two or three dark blocks; frames are 4 x 12 pixels."""

    alphabet = ALPHABET
    preprocessing = Preprocessing(height_px=4, width_px=12)
    stride_px = 2

    def __init__(self):
        self.batches: list[int] = []

    def log_probs(self, images_BxHxW: np.ndarray, widths_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.batches.append(len(images_BxHxW))
        ink_BxT = (images_BxHxW < 128).any(axis=1).reshape(len(images_BxHxW), 6, 2).any(axis=2)
        probs_BxTxK = np.full((*ink_BxT.shape, ALPHABET.num_classes), 0.02, np.float32)
        for row, ink_T in zip(probs_BxTxK, ink_BxT, strict=True):
            letters = iter([1, 2, 3])
            for probs_K, ink in zip(row, ink_T, strict=True):
                probs_K[next(letters) if ink else ALPHABET.blank_id] = 0.9
        return np.log(probs_BxTxK), widths_B // self.stride_px


def draw_blocks(count: int) -> np.ndarray:
    grey_HxW = np.full((4, 12), 255, np.uint8)
    for block in range(count):
        grey_HxW[1:3, 4 * block : 4 * block + 2] = 0
    return grey_HxW


def encode(grey_HxW: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(grey_HxW).save(buffer, "PNG")
    return buffer.getvalue()


def test_every_kind_of_image_is_read_alike(tmp_path):
    grey = draw_blocks(2)
    path = tmp_path / "two.png"
    path.write_bytes(encode(grey))
    rgb = np.repeat(grey[..., None], 3, axis=2)
    images = [
        str(path),
        path,
        encode(grey),
        grey,
        grey[..., None],
        rgb,
        np.dstack([rgb, np.full_like(grey, 255)]),
        Image.fromarray(grey),
        Image.fromarray(rgb).convert("P"),
        grey[::-1][::-1],
    ]
    readings = Reader(WidthModel()).read(images)
    assert [reading.text for reading in readings] == ["ab"] * len(images)
    confidences = [reading.confidence for reading in readings]
    np.testing.assert_allclose(confidences, confidences[0], rtol=1e-6)
    assert 0.9**6 < confidences[0] < 0.9**2  # of two characters in six frames, that may stand elsewhere, too


def test_a_pillow_image_is_turned_upright_as_its_file_is(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned by 90 degrees
    path = tmp_path / "camera.png"
    Image.fromarray(np.rot90(draw_blocks(3))).save(path, exif=exif)
    reader = Reader(WidthModel())
    with Image.open(path) as opened:
        assert reader.read(opened) == reader.read(path)
    assert reader.read(path)[0].text == "abc"


def test_a_pillow_image_that_cannot_be_loaded_is_named():
    noise_HxW = np.random.default_rng(0).integers(0, 255, (40, 60), dtype=np.uint8)
    cut = Image.open(io.BytesIO(encode(noise_HxW)[:1000]))
    with pytest.raises(InputError, match=r"^image 0: damaged image"):
        Reader(WidthModel()).read(cut)


def test_readings_keep_the_order_of_the_images_over_batches():
    model = WidthModel()
    counts = [i % 4 for i in range(150)]
    readings = Reader(model).read([draw_blocks(count) for count in counts])
    assert [reading.text for reading in readings] == ["abc"[:count] for count in counts]
    assert model.batches == [64, 64, 22]


def test_blank_images_read_as_nothing():
    blank = [np.full((4, 12), 255, np.uint8), np.zeros((30, 90), np.uint8), np.zeros((1, 1), np.uint8)]
    assert [reading.text for reading in Reader(WidthModel()).read(blank)] == ["", "", ""]


def test_what_a_blank_image_and_a_page_show_is_told():
    page = np.full((900, 700), 255, np.uint8)
    for row in range(10):
        for column in range(12):
            page[40 + 80 * row : 70 + 80 * row, 50 + 50 * column : 54 + 50 * column] = 0
    blank, read, wide = Reader(WidthModel()).read([np.full((4, 12), 9, np.uint8), draw_blocks(2), page])
    assert (blank.text, blank.problem) == ("", "blank: there is no ink in it")
    assert (read.text, read.problem) == ("ab", None)
    assert wide.text == ""
    assert wide.problem is not None
    assert wide.problem.startswith("looks like a page with 10 lines; read_page reads pages")
    assert Reader(WidthModel()).read(page, are_crops=True)[0].problem is None


def test_what_is_far_too_wide_for_a_line_has_no_text():
    class LongModel(WidthModel):
        preprocessing = Preprocessing(height_px=4, width_px=400)

        def log_probs(self, images_BxHxW: np.ndarray, widths_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return super().log_probs(images_BxHxW[:, :, :12], np.full(len(widths_B), 12))

    image_HxW = np.pad(draw_blocks(2), ((0, 0), (0, 348)), constant_values=255)
    (reading,) = Reader(LongModel()).read(image_HxW)
    assert reading.problem == "90 times as wide as high, which no word or line is; cut it to its writing"
    assert Reader(LongModel()).read(image_HxW[:, :-4])[0].problem is None


def test_a_picture_of_things_has_no_text():
    y, x = np.mgrid[:300, :400]
    grain = np.random.default_rng(0).normal(0, 8, y.shape)
    table = (130 + 40 * np.sin(y / 6 + 3 * np.sin(x / 45)) + grain).clip(0, 255).astype(np.uint8)
    (reading,) = Reader(WidthModel()).read(table)
    assert (reading.text, reading.confidence) == ("", 0.0)
    assert reading.problem is not None
    assert reading.problem.startswith("looks like a picture without writing; give images of words, lines or pages")
    assert Reader(WidthModel()).read(table, are_crops=True)[0].problem is None


def test_an_open_file_is_read(tmp_path):
    path = tmp_path / "two.png"
    path.write_bytes(encode(draw_blocks(2)))
    with path.open("rb") as file:
        assert [reading.text for reading in Reader(WidthModel()).read(file)] == ["ab"]
    readings = Reader(WidthModel()).read([io.BytesIO(encode(draw_blocks(1))), path])
    assert [reading.text for reading in readings] == ["a", "ab"]
    with (
        path.open(encoding="utf-8") as file,  # Its bytes are no UTF-8.
        pytest.raises(InputError, match=r"opened as text; open it with open\(PATH, 'rb'\)"),
    ):
        Reader(WidthModel()).read(file)


def test_the_default_model_is_the_best_of_words():
    assert repr(hwr_jax.load()).startswith("Reader(unipen_words_large, ")


def test_no_images_no_readings():
    assert Reader(WidthModel()).read([]) == []


def test_a_reading_is_a_value():
    assert Reading("a", 0.5) == Reading("a", 0.5)


@pytest.mark.parametrize("image", [encode(draw_blocks(3)), draw_blocks(3), Image.fromarray(draw_blocks(3))])
def test_a_single_image_gives_a_list_of_one(image):
    assert [reading.text for reading in Reader(WidthModel()).read(image)] == ["abc"]


def test_a_single_path_is_not_taken_for_a_list_of_letters():
    with pytest.raises(InputError, match=r"^gone\.png: no such file$"):
        Reader(WidthModel()).read("gone.png")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("gone.png", r"^gone\.png: no such file$"),
        (b"", r"^image 1: empty file \(0 bytes\)$"),
        (b"text", r"^image 1: not an image"),
        (np.zeros((4, 12)), r"^image 1: array is float64 \[4, 12\], not uint8"),
        (np.zeros((4, 12, 2), np.uint8), r"^image 1: array is uint8 \[4, 12, 2\], not uint8"),
        (np.zeros(4, np.uint8), r"^image 1: array is uint8 \[4\], not uint8"),
        (np.zeros((0, 12), np.uint8), r"^image 1: no pixels"),
        (np.zeros((20, 20_000), np.uint8), r"^image 1: shape does not fit the model's input"),
    ],
)
def test_a_bad_image_is_named(image, message):
    with pytest.raises(InputError, match=message):
        Reader(WidthModel()).read([draw_blocks(1), image])


def test_unknown_model():
    with pytest.raises(InputError, match="model 'unipen_wrods'"):
        hwr_jax.load("unipen_wrods")


def test_importing_the_package_leaves_jax_alone():
    code = "import sys, hwr_jax; sys.exit('jax' in sys.modules or 'PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_boxes_are_where_the_letters_are_in_the_image():
    grey_HxW = np.full((8, 24), 255, np.uint8)  # twice the frame's size
    for block in range(3):
        grey_HxW[2:6, 8 * block : 8 * block + 4] = 0
    (reading,) = Reader(WidthModel()).read(grey_HxW, boxes=True)
    assert [box.character for box in reading.boxes] == ["a", "b", "c"]
    for block, box in enumerate(reading.boxes):
        assert box.left <= 8 * block + 2 <= box.right
    assert (reading.boxes[0].left, reading.boxes[-1].right) == (0, 20)
    (plain,) = Reader(WidthModel()).read(grey_HxW)
    assert plain.boxes == ()
    (blank,) = Reader(WidthModel()).read(np.full((4, 12), 255, np.uint8), boxes=True)
    assert (blank.text, blank.boxes) == ("", ())


def test_a_text_that_does_not_fit_the_frames_has_boxes_without_places():
    class Inventive:
        def decode(
            self, log_probs_NxTxK: np.ndarray, frames_N: np.ndarray | None = None, n_best: int = 1
        ) -> list[tuple[Hypothesis, ...]]:
            return [(Hypothesis("a" * 7, 1.0, 0.0, 0.0, (1,) * 7),)] * len(log_probs_NxTxK)

    (reading,) = Reader(WidthModel(), Inventive()).read(draw_blocks(2), boxes=True)
    assert [(box.character, box.left, box.right) for box in reading.boxes] == [("a", None, None)] * 7


def test_n_best_of_a_beam():
    (reading,) = Reader(WidthModel(), BeamDecoder(ALPHABET, width=8, candidates=None)).read(draw_blocks(2), n_best=3)
    assert reading.text == reading.n_best[0].text == "ab"
    assert reading.confidence == reading.n_best[0].probability
    assert len({found.text for found in reading.n_best}) == 3
    probabilities = [found.probability for found in reading.n_best]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) <= 1


def test_a_beam_that_runs_out_says_so():
    class RunsOut:
        def decode(
            self, log_probs_NxTxK: np.ndarray, frames_N: np.ndarray | None = None, n_best: int = 1
        ) -> list[tuple[Hypothesis, ...]]:
            return [()] * len(log_probs_NxTxK)

    (reading,) = Reader(WidthModel(), RunsOut()).read(draw_blocks(2), boxes=True)
    assert (reading.text, reading.confidence, reading.n_best, reading.boxes) == ("", 0.0, (), ())
    assert "ran out" in reading.problem


def test_a_decoder_is_chosen_when_the_model_is_loaded():
    reader = hwr_jax.load("unipen_words", decoder="beam")
    assert isinstance(reader.decoder, CalibratedDecoder)
    assert isinstance(reader.decoder.decoder, BeamDecoder)
    assert repr(reader) == "Reader(unipen_words, word 32 x 128 px, 78 characters, beam + English)"
    assert hwr_jax.load("unipen_words", decoder=reader.decoder).decoder is reader.decoder
    with pytest.raises(InputError, match="decoder 'beem': no such decoder; take greedy, beam, tuned or a FILE"):
        hwr_jax.load("unipen_words", decoder="beem")


def test_a_model_of_the_package_reads_without_what_trains():
    code = (
        "import sys, hwr_jax; hwr_jax.load('unipen_words'); "
        "print(*{'orbax', 'optax', 'grain', 'tensorflow_datasets', 'tensorboardX'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []


def test_strokes_are_read_at_any_size_and_place_with_boxes_where_they_are():
    reader = hwr_jax.load("unipen_words")
    word = write_word(make_writer(9), "bread", np.random.default_rng(5))
    moved = [stroke * 250 + np.array([1e5, -70.0]) for stroke in word]
    first, second = (reader.read_strokes(strokes, boxes=True) for strokes in (word, moved))
    assert first.text == second.text == "bread"
    assert [box.character for box in first.boxes] == list("bread")
    left = [box.left for box in first.boxes]
    # Half a pen beyond the ink.
    ink = np.concatenate(word)[:, 0]
    np.testing.assert_allclose([left[0], first.boxes[-1].right], [ink.min(), ink.max()], atol=0.15)
    np.testing.assert_allclose([box.left for box in second.boxes], np.array(left) * 250 + 1e5, atol=1e-3)


def test_strokes_that_cannot_be_read_are_wrong_input():
    for strokes, message in (([], "strokes: none"), ([[[0, np.nan]]], "stroke 0, point 0")):
        with pytest.raises(InputError, match=message):
            Reader(WidthModel()).read_strokes(strokes)


class FixedModel:
    """Reads every image as the same frames: of its letters the middle ones are doubtful."""

    preprocessing = Preprocessing(height_px=4, width_px=18)
    stride_px = 2

    def __init__(self, text: str):
        self.alphabet = Alphabet(" ab\u05d0\u05d1")
        probs_TxK = np.full((9, self.alphabet.num_classes), 0.01, np.float32)
        for frame, id in enumerate(self.alphabet.encode(text)):
            probs_TxK[2 * frame, self.alphabet.blank_id] = 0.9
            probs_TxK[2 * frame + 1, id] = 0.9 if frame in (0, 3) else 0.5
            probs_TxK[2 * frame + 1, self.alphabet.blank_id] = 0.05
        probs_TxK[8, self.alphabet.blank_id] = 0.9
        self.log_probs_TxK = np.log(probs_TxK / probs_TxK.sum(axis=1, keepdims=True))

    def log_probs(self, images_BxHxW: np.ndarray, widths_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([self.log_probs_TxK] * len(images_BxHxW)), np.full(len(images_BxHxW), 9)


def test_words_and_characters_have_confidences():
    (plain,) = Reader(FixedModel("a ab")).read(draw_blocks(1))
    assert plain.words == plain.characters == ()
    (reading,) = Reader(FixedModel("a ab")).read(draw_blocks(1), confidences=True)
    assert reading.text == plain.text == "a ab"
    assert [word.text for word in reading.words] == ["a", "ab"]
    assert "".join(one.text for one in reading.characters) == reading.text
    sure = [one.confidence for one in reading.characters]
    assert max(sure[1:3]) + 0.03 < min(sure[0], sure[3])
    first, second = (word.confidence for word in reading.words)
    assert reading.confidence < second <= min(sure[2:]) < first <= sure[0]


def test_pieces_are_calibrated_and_no_less_sure_than_what_they_are_part_of():
    doubting = Calibrations(Calibration(1.0, 0.0), word=Calibration(1.0, -9.0), character=Calibration(1.0, 2.0))
    (before,) = Reader(FixedModel("a ab")).read(draw_blocks(1), confidences=True)
    (reading,) = Reader(FixedModel("a ab"), calibrations=doubting).read(draw_blocks(1), confidences=True)
    assert {word.confidence for word in reading.words} == {reading.confidence}
    pairs = zip(before.characters, reading.characters, strict=True)
    assert all(new.confidence > old.confidence for old, new in pairs)
    odds = [one.confidence / (1 - one.confidence) for one in (before.characters[1], reading.characters[1])]
    assert odds[1] / odds[0] == pytest.approx(np.exp(2))


def test_pieces_from_the_right_are_in_the_order_of_the_text():
    (reading,) = Reader(FixedModel("\u05d0 \u05d1\u05d0")).read(draw_blocks(1), confidences=True)
    assert [word.text for word in reading.words] == reading.text.split() == ["\u05d0", "\u05d1\u05d0"]
    assert "".join(one.text for one in reading.characters) == reading.text
    sure = [one.confidence for one in reading.characters]
    # On paper the first and the last stand at the right and left ends.
    assert max(sure[1:3]) + 0.03 < min(sure[0], sure[3])
