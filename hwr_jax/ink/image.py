"""Any image file to grey pixels, or one line that says why not."""

import io
import re
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

from hwr_jax.errors import InputError

# A file of more pixels is refused by its header, before they take memory. An A3 page at 600 dpi has 70 million.
MAX_PIXELS = 100_000_000
# From here on memory counts more than the last of 256 grey levels.
_LARGE_PIXELS = 25_000_000

# Raster formats only: some of Pillow's other readers start external programs (EPS) or open other files.
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000")

# An image that on white is nowhere darker than _PALE is light ink on nothing, if its opacity varies by _VARIES or more,
# and is that of ink: most of the image is transparent.
_PALE, _VARIES = 180, 64

_AVIF, _HEIC = rb".{4}ftyp.{0,24}avi[fs]", rb".{4}ftyp.{0,24}(hei|hev|mif1|msf1)"

# What people give instead of an image, by how its content begins, and what to do.
_NO_IMAGES = (
    (rb"%PDF", "a PDF; hwr read takes it, or make images of its pages, for example with pdftoppm -r 300 -png"),
    (_AVIF, "AVIF; save it as PNG"),
    (rb"\s*<(svg|\?xml|!DOCTYPE|html)", "XML; hwr read --page takes ALTO and PAGE files"),
    (rb"PK\x03\x04", "a zip archive; unpack it"),
)

# Pillow warns about odd headers and EXIF data. Warning filters belong to the whole process, so one thread at a time.
_warning_filters = threading.Lock()


def open_grey(image: bytes | Path | Image.Image, name: str, *, upright: bool = True) -> np.ndarray:
    """The pixels of an image as grey.

    Turned upright by its EXIF orientation; transparency lies on white; 16 bits are scaled to 8; of several pages the
    first.

    Args:
      image: the encoded file's bytes, its path, or a Pillow image.
      name: what to call the image in messages.
      upright: False leaves the pixels as they are stored.

    Returns:
      uint8 [H, W], 0 black, 255 white.

    Raises:
      InputError: `name`, then the cause: no such file, empty, not an image, damaged, too many pixels.
    """
    try:
        encoded = image.read_bytes() if isinstance(image, Path) else image
    except FileNotFoundError as error:
        raise InputError(f"{name}: {_describe_missing(name)}") from error
    except IsADirectoryError as error:
        raise InputError(f"{name}: a folder; give the images in it, such as {name.rstrip('/')}/*.png") from error
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error})") from error
    if encoded == b"":
        raise InputError(f"{name}: empty file (0 bytes)")
    try:
        with _warning_filters, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = _open(encoded, name) if isinstance(encoded, bytes) else encoded
            check_size(opened, name)
            if opened.width * opened.height > _LARGE_PIXELS and opened.mode in ("RGB", "YCbCr"):
                # A JPEG is decoded to grey at once, which takes a quarter of the memory.
                opened.draft("L", opened.size)
            opened.load()
            turned = upright and opened.getexif().get(ExifTags.Base.Orientation, 1) != 1
            return to_grey(ImageOps.exif_transpose(opened) if turned else opened)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{name}: too many pixels (more than {MAX_PIXELS // 10**6} million)") from error
    except Image.UnidentifiedImageError as error:
        begin = encoded[:64] if isinstance(encoded, bytes) else b""
        found = (what for start, what in _NO_IMAGES if re.match(start, begin, re.DOTALL))
        but = next((f"that can be read, but {what}" for what in found), f"(of the formats {', '.join(FORMATS)})")
        raise InputError(f"{name}: not an image {but}") from error
    except MemoryError as error:
        raise InputError(f"{name}: too large for this machine's memory") from error
    # From damaged files Pillow raises nearly anything: OSError, SyntaxError, ValueError, struct.error ...
    except Exception as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name}: damaged image ({cause})") from error


def _open(encoded: bytes, name: str) -> Image.Image:
    start = encoded[:64]
    if re.match(_AVIF, start, re.DOTALL) or not re.match(_HEIC, start, re.DOTALL):
        return Image.open(io.BytesIO(encoded), formats=FORMATS)
    try:
        import pillow_heif
    except ImportError as error:
        what = "HEIC, which needs pillow-heif: pip install 'hwr_jax[heic]'; or save it as JPEG"
        raise InputError(f"{name}: not an image that can be read, but {what}, for example with heif-convert") from error
    heif = pillow_heif.open_heif(io.BytesIO(encoded))
    check_size(heif, name)
    return heif.to_pillow()


def sizes_by_exif(image: bytes | Path) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Width and height of an encoded image as it is stored and as EXIF turns it; None where EXIF turns nothing.

    None, too, of what `open_grey` refuses.
    """
    try:
        with _warning_filters, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(image) if isinstance(image, bytes) else image, formats=FORMATS) as opened:
                orientation, (width, height) = opened.getexif().get(ExifTags.Base.Orientation, 1), opened.size
    except Exception:  # See `open_grey`.
        return None
    if orientation not in range(2, 9):
        return None
    return (width, height), (height, width) if orientation >= 5 else (width, height)


def _describe_missing(name: str) -> str:
    if "://" in name:
        return "an address, and nothing is fetched from the network; download it, for example with curl -O"
    if name == "-":
        return "standard input is not read; save the image and give its path"
    hint = "; the shell expands * and ? only outside of quotes" * any(mark in name for mark in "*?")
    return f"no such file{hint}"


def check_size(image: Any, name: str) -> None:
    """Refuses an image whose header promises more than MAX_PIXELS, or none. Raises InputError: `name` and the size.

    Takes what has a `size`: width and height in pixels.
    """
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InputError(f"{name}: too many pixels ({width} x {height}; at most {MAX_PIXELS // 10**6} million)")
    if width * height == 0:
        raise InputError(f"{name}: no pixels ({width} x {height})")


def to_grey(image: Image.Image) -> np.ndarray:
    """A Pillow image of any mode as uint8 [H, W]; what is transparent shows white.

    Ink that would vanish on white is black instead: its opacity is what it shows.

    Raises ValueError: a colour mode that Pillow cannot convert.
    """
    if image.mode.startswith("I"):  # 16-bit grey ("I;16", "I;16B" ...), or 16 bits kept in 32 ("I")
        deep = np.asarray(image).astype(np.int64)
        return ((deep.clip(0, 65535) + 128) // 257).astype(np.uint8)
    if image.mode == "F":
        real = np.nan_to_num(np.asarray(image, dtype=np.float32))
        return (real * (255 if real.max() <= 1 else 1)).clip(0, 255).round().astype(np.uint8)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        image = Image.alpha_composite(white, layer).convert("L")
        opacity_HxW = np.asarray(layer.getchannel("A"))
        if np.asarray(image).min() >= _PALE and np.ptp(opacity_HxW) >= _VARIES and opacity_HxW.mean() < 128:
            return 255 - opacity_HxW
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return np.asarray(image if image.mode == "L" else image.convert("L"))
