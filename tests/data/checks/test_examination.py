"""What is odd about an image, on images made to be odd."""

import io

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.checks.examination import THUMBNAIL_PX, digest, examine, find_faults
from hwr_jax.data.checks.kinds import ALMOST_BLANK, BLANK, EXTREME_SHAPE, EXTREME_SIZE, INVERTED
from hwr_jax.data.preprocessed import preprocess_sample
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.ink.model_input import Preprocessing

FRAME = Preprocessing()


def word(height: int = 32, width: int = 100, ink: int = 0, paper: int = 255) -> np.ndarray:
    grey = np.full((height, width), paper, np.uint8)
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
        (word(ink=255, paper=10), [INVERTED]),
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
