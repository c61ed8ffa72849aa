"""Opening images: every kind of file a user may have, and every kind of bad one."""

import io
import os
import struct
import sys
import threading
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey


def draw_stroke(width: int = 40, height: int = 20) -> Image.Image:
    """A black stroke along the left third of a white image."""
    image = Image.new("L", (width, height), 255)
    ImageDraw.Draw(image).rectangle((0, 0, width // 3 - 1, height), fill=0)
    return image


def encode(image: Image.Image, file_format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds next to nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


STROKE = np.asarray(draw_stroke())

TRANSPARENT_STROKE = Image.merge("RGBA", [Image.new("L", (40, 20), 0)] * 3 + [Image.fromarray(255 - STROKE)])

KINDS = {
    "grey": encode(draw_stroke()),
    "1-bit": encode(draw_stroke().convert("1")),
    "palette": encode(draw_stroke().convert("P")),
    "gif": encode(draw_stroke(), "GIF"),
    "rgb": encode(draw_stroke().convert("RGB")),
    "rgba": encode(TRANSPARENT_STROKE),
    "grey and alpha": encode(TRANSPARENT_STROKE.convert("LA")),
    "palette with alpha": encode(TRANSPARENT_STROKE.quantize(8)),
    "transparent grey level": encode(Image.fromarray(np.where(STROKE == 0, 0, 77).astype(np.uint8)), transparency=77),
    "cmyk": encode(draw_stroke().convert("CMYK"), "TIFF"),
    "cmyk jpeg": encode(draw_stroke(42, 24).convert("CMYK"), "JPEG", quality=100),
    "ycbcr": encode(draw_stroke().convert("YCbCr"), "TIFF"),
    "16-bit": encode(Image.fromarray(STROKE.astype(np.uint16) * 257)),
    "16-bit tiff": encode(Image.fromarray(STROKE.astype(np.uint16) * 257), "TIFF"),
    "32-bit": encode(Image.fromarray(STROKE.astype(np.int32) * 257), "TIFF"),
    "real": encode(Image.fromarray(STROKE.astype(np.float32) / 255), "TIFF"),
    "bmp": encode(draw_stroke(), "BMP"),
    "webp": encode(draw_stroke(), "WEBP", lossless=True),
    "ppm": encode(draw_stroke(), "PPM"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_shows_the_same_stroke(kind):
    grey = open_grey(KINDS[kind], kind)
    expected = np.asarray(draw_stroke(42, 24)) if kind == "cmyk jpeg" else STROKE
    assert grey.dtype == np.uint8
    assert grey.shape == expected.shape
    np.testing.assert_allclose(grey.astype(int), expected.astype(int), atol=3)


def test_16_bits_scale_to_8():
    levels = np.linspace(0, 65535, 1000).astype(np.uint16).reshape(10, 100)
    grey = open_grey(encode(Image.fromarray(levels)), "deep")
    assert np.abs(grey - levels / 257).max() <= 0.5


def test_half_transparent_ink_is_half_grey():
    grey = open_grey(encode(Image.new("RGBA", (4, 4), (0, 0, 0, 128))), "half")
    np.testing.assert_array_equal(grey, 127)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_respected(orientation):
    upright = np.kron(np.arange(6).reshape(2, 3) * 50, np.ones((8, 8))).astype(np.uint8)
    # How the camera stored the upright picture, by the EXIF standard's meaning of each value.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = encode(Image.fromarray(stored), exif=exif)
    np.testing.assert_array_equal(open_grey(encoded, "camera"), upright)
    np.testing.assert_array_equal(open_grey(Image.open(io.BytesIO(encoded)), "camera"), upright)
    np.testing.assert_array_equal(open_grey(encoded, "camera", upright=False), stored)


def test_a_path_opens_like_its_bytes(tmp_path):
    path = tmp_path / "stroke.png"
    path.write_bytes(KINDS["grey"])
    np.testing.assert_array_equal(open_grey(path, "stroke"), STROKE)


def test_1_x_1_opens():
    np.testing.assert_array_equal(open_grey(encode(Image.new("L", (1, 1), 7)), "dot"), [[7]])


def test_20000_x_20_opens():
    assert open_grey(encode(Image.new("L", (20_000, 20), 255)), "strip").shape == (20, 20_000)


BAD = {
    "zero bytes": (b"", "empty file"),
    "text": (b"once upon a time", "not an image"),
    "pdf": (b"%PDF-1.4 ...", "not an image that can be read, but a PDF; hwr read takes it"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40, "but HEIC, which needs pillow-heif"),
    "heic of another brand": (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf" + b"\0" * 40, "or save it as JPEG"),
    "avif": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\0" * 40, "but AVIF"),
    "page file": (b'<?xml version="1.0"?><alto/>', "but XML; hwr read --page"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "not an image"),
    "truncated png": (encode(Image.effect_noise((64, 64), 50))[:900], "damaged image"),
    "truncated jpeg": (encode(Image.effect_noise((64, 64), 50), "JPEG")[:900], "damaged image"),
    "truncated tiff": (encode(Image.effect_noise((64, 64), 50), "TIFF")[:900], ""),
    "header only": (encode(draw_stroke())[:30], ""),
    "bad checksum": (encode(draw_stroke()).replace(b"IDAT", b"IDAX"), ""),
    "bomb": (png_header(20_000, 6_000), "too many pixels (20000 x 6000; at most 100 million)"),
    "big bomb": (png_header(60_000, 60_000), "too many pixels"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_images_are_one_line_errors(kind, monkeypatch):
    content, cause = BAD[kind]
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError) as caught:
        open_grey(content, "scans/a.png")
    message = str(caught.value)
    assert message.startswith("scans/a.png: ")
    assert cause in message
    assert "\n" not in message
    assert "BytesIO" not in message


@pytest.mark.parametrize("kind", ["grey", "rgba", "palette with alpha", "cmyk jpeg", "16-bit tiff", "webp", "gif"])
def test_no_damage_escapes_as_another_exception(kind):
    """Every tenth length of the file, and bytes overwritten at random."""
    rng = np.random.default_rng(0)
    content = KINDS[kind]
    damaged = [content[:length] for length in range(0, len(content), 10)]
    for _ in range(100):
        array = np.frombuffer(content, np.uint8).copy()
        array[rng.integers(0, len(array), 4)] = rng.integers(0, 256, 4)
        damaged.append(array.tobytes())
    refused = 0
    for attempt in damaged:
        try:
            assert open_grey(attempt, "damaged").dtype == np.uint8
        except InputError:
            refused += 1
    assert refused > 0


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"^gone: no such file$"):
        open_grey(tmp_path / "gone.png", "gone")


def test_a_folder_is_not_an_image(tmp_path):
    with pytest.raises(InputError, match=r"^folder: a folder; give the images in it, such as folder/\*\.png$"):
        open_grey(tmp_path, "folder")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("https://example.org/a.png", "an address, and nothing is fetched"),
        ("-", "standard input is not read"),
        ("scans/*.png", "no such file; the shell expands * and ? only outside of quotes"),
    ],
)
def test_what_is_no_file_is_told_with_what_to_do(tmp_path, name, told):
    with pytest.raises(InputError) as caught:
        open_grey(tmp_path / "gone", name)
    assert str(caught.value).startswith(f"{name}: {told}")


def test_white_ink_on_nothing_is_the_ink():
    white = Image.merge("RGBA", [Image.new("L", (40, 20), 255)] * 3 + [Image.fromarray(255 - STROKE)])
    for image in (white, white.convert("LA")):
        np.testing.assert_array_equal(open_grey(encode(image), "white"), STROKE)
    half = np.where(STROKE == 0, 100, 0).astype(np.uint8)
    white.putalpha(Image.fromarray(half))
    np.testing.assert_array_equal(open_grey(encode(white), "half"), 255 - half)
    assert (open_grey(encode(Image.new("RGBA", (4, 4), (255, 255, 255, 0))), "nothing") == 255).all()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_unreadable_file(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(KINDS["grey"])
    path.chmod(0)
    with pytest.raises(InputError, match=r"^secret: cannot be read \(Permission denied\)$"):
        open_grey(path, "secret")


def test_damaged_exif_data_is_passed_over_in_silence():
    """Pillow warns about it; the tests turn warnings into errors."""
    exif = Image.Exif()
    exif[0x010E] = "a description longer than four bytes"
    content = encode(draw_stroke(), "JPEG", exif=exif.tobytes()[:-20], quality=100)
    assert open_grey(content, "camera").shape == (20, 40)


def test_threads_leave_the_warning_filters_as_they_were():
    import warnings

    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [open_grey(KINDS["palette"], "p") for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


@pytest.mark.parametrize("colour", [(255, 255, 0), (255, 200, 210), (200, 200, 200), (255, 255, 255)])
def test_light_ink_on_nothing_is_the_ink_whatever_its_colour(colour):
    bands = [Image.new("L", (40, 20), level) for level in colour]
    image = Image.merge("RGBA", [*bands, Image.fromarray(255 - STROKE)])
    np.testing.assert_array_equal(open_grey(image, "ink"), STROKE)


def test_pale_paper_with_clear_corners_stays_paper():
    grey = np.where(STROKE < 128, 190, 250).astype(np.uint8)
    opacity = np.full_like(grey, 255)
    opacity[:4, :4] = 0
    image = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(opacity)])
    expected = np.where(opacity == 0, 255, grey)
    np.testing.assert_allclose(open_grey(image, "paper").astype(int), expected, atol=1)
