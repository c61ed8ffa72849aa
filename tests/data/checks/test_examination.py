"""What is odd about an image or a label, on those made to be odd."""

import io

import numpy as np
import pytest
from PIL import Image

from hwr_jax.config import DataConfig
from hwr_jax.data.checks.examination import (
    THUMBNAIL_PX,
    digest,
    examine,
    find_faults,
    find_label_faults,
    is_hidden,
    name_characters,
)
from hwr_jax.data.checks.kinds import (
    ALMOST_BLANK,
    BLANK,
    CONTROL,
    EMPTY_LABEL,
    EXTREME_SHAPE,
    EXTREME_SIZE,
    INVERTED,
    NOT_NFC,
    OUTSIDE,
    SPACES,
    TOO_LONG,
)
from hwr_jax.data.preprocessed import preprocess_sample
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.text.alphabet import Alphabet, resolve_alphabet

FRAME = Preprocessing()


def word(height: int = 32, width: int = 100, ink: int = 0, background: int = 255) -> np.ndarray:
    grey = np.full((height, width), background, np.uint8)
    grey[height // 3 : height // 2 + 1, width // 4 : width // 2] = ink
    return grey


def png(grey: np.ndarray, **options: object) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(grey).save(encoded, "PNG", **options)
    return encoded.getvalue()


def dotted() -> np.ndarray:
    grey = np.full((100, 300), 255, np.uint8)
    grey[50, 100:110] = 0
    return grey


@pytest.mark.parametrize(
    ("grey", "kinds"),
    [
        (word(), []),
        (word(ink=255, background=10), [INVERTED]),
        (np.full((32, 100), 200, np.uint8), [BLANK]),
        (word(ink=250), [BLANK]),
        (word(ink=230), [ALMOST_BLANK]),
        (dotted(), [ALMOST_BLANK]),
        (word(3, 20), [EXTREME_SIZE]),
        (word(32, 100 * 32), [EXTREME_SHAPE]),
        (word(32, 500), []),
        (word(260, 20), [EXTREME_SHAPE]),
        (word(5000, 5000), [EXTREME_SIZE]),
    ],
)
def test_each_kind_is_found_and_no_other(grey: np.ndarray, kinds: list[str]) -> None:
    assert [kind for kind, _ in find_faults(grey, FRAME)] == kinds


@pytest.mark.parametrize("image", [b"", b"no image", png(word())[:60], png(word(1, 3000))])
def test_what_cannot_be_read_is_told_as_training_tells_it(image: bytes) -> None:
    sample = Sample("some/id", "x", "w", image)
    examination = examine(sample, FRAME, keep_image=True)
    assert examination.reason == preprocess_sample(sample, FRAME)
    assert examination.reason
    assert "some/id" not in examination.reason
    assert examination.image_HxW is None


def test_a_skip_keeps_its_reason() -> None:
    assert examine(Skip("id", "quality BAD"), FRAME, keep_image=False).reason == "quality BAD"


def test_pixels_decide_and_not_the_file() -> None:
    plain, packed = (examine(Sample(id, "x", "w", image), FRAME, keep_image=False) for id, image in images())
    assert plain.pixels == packed.pixels != b""
    assert digest(word()) != digest(word(ink=1))
    assert digest(np.zeros((2, 6), np.uint8)) != digest(np.zeros((3, 4), np.uint8))
    assert digest(np.asfortranarray(word())) == digest(word())


def images() -> list[tuple[str, bytes]]:
    files = [png(word(), compress_level=level) for level in (0, 9)]
    assert files[0] != files[1]
    return list(zip("ab", files, strict=True))


def test_blank_images_are_not_compared_and_frames_come_if_asked_for() -> None:
    blank = Sample("a", "x", "w", png(np.full((9, 9), 255, np.uint8)))
    assert examine(blank, FRAME, keep_image=False).pixels == b""
    sample = Sample("a", "x", "w", png(word(400, 1600)))
    examination = examine(sample, FRAME, keep_image=True)
    np.testing.assert_array_equal(examination.image_HxW, preprocess_sample(sample, FRAME))
    assert examination.thumbnail_HxW is not None
    assert examination.thumbnail_HxW.shape == (THUMBNAIL_PX[0] // 4, THUMBNAIL_PX[0])
    assert examine(sample, FRAME, keep_image=False).image_HxW is None


LINES = resolve_alphabet("iam79")
EUROPEAN = resolve_alphabet("latin1-european")


@pytest.mark.parametrize(
    ("text", "alphabet", "kinds"),
    [
        ("word", LINES, []),
        ("two words", LINES, []),
        ("", LINES, [EMPTY_LABEL]),
        (" end", LINES, [SPACES]),
        ("two  words", LINES, [SPACES]),
        ("no\u00a0break", LINES, [SPACES, OUTSIDE]),
        ("tab\tulator", LINES, [SPACES, OUTSIDE]),
        ("zero\u200bwidth", LINES, [CONTROL, OUTSIDE]),
        ("bell\x07", LINES, [CONTROL, OUTSIDE]),
        ("m\ufffdller", LINES, [CONTROL, OUTSIDE]),
        ("cafe\u0301", LINES, [NOT_NFC, OUTSIDE]),
        ("cafe\u0301", EUROPEAN, [NOT_NFC]),
        ("café", None, []),
        ("a" * 16, LINES, []),
        ("a" * 17, LINES, [TOO_LONG]),
        ("ab" * 16, LINES, []),
    ],
)
def test_each_kind_of_label_fault_is_found_and_no_other(text: str, alphabet: Alphabet | None, kinds: list[str]) -> None:
    assert [kind for kind, _ in find_label_faults(text, DataConfig(), alphabet, 32)] == kinds


def test_the_run_s_own_form_of_a_label_is_held_against_its_alphabet() -> None:
    small = resolve_alphabet("abc'")
    assert dict(find_label_faults("A\u2019b", DataConfig(), small, 9)).keys() == {OUTSIDE}
    assert not find_label_faults("A\u2019b", DataConfig(casefold=True, plain_marks=True), small, 9)
    assert dict(find_label_faults("\u00ad", DataConfig(plain_marks=True), small, 9)).keys() == {CONTROL, EMPTY_LABEL}
    assert not find_label_faults("X abc", DataConfig(last_token_labels=True), small, 3)


def test_details_name_what_cannot_be_seen() -> None:
    assert name_characters("é\u200b \u0301") == "é U+00E9, U+200B, U+0020, U+0301"
    assert dict(find_label_faults("a@b", DataConfig(), LINES, 9))[OUTSIDE] == "@ U+0040"
    assert dict(find_label_faults("aab", DataConfig(), LINES, 3))[TOO_LONG] == "needs 4 of 3 frames"
    assert [is_hidden(c) for c in "a \n\u200b\ue000\ufffd"] == [False, False, False, True, True, True]
