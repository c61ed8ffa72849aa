"""Preprocessed images to a file as they come; where the disk is full or read-only, elsewhere."""

import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwr_jax.data.stored_images import Images, open_images
from hwr_jax.ink.model_input import Preprocessing, measure_widths

_BLOCK_BYTES = 2**20
_File = io.FileIO | io.BytesIO


class ImageWriter:
    """Writes images one after the other to a .npy file; a context, at whose end the file is gone unless it was moved.

    Where the file cannot be made or grows no further, its images move on to a nameless file in the folder for temporary
    files ($TMPDIR), and where that cannot take them either, to memory.

    Attributes:
      path: of the file; None where it has no name.
    """

    def __init__(self, preprocessing: Preprocessing, path: Path | None = None) -> None:
        """Args:
        preprocessing: size and kind of the images.
        path: of the file; None: a nameless temporary file.
        """
        self._preprocessing = preprocessing
        self._size = (preprocessing.height_px, preprocessing.width_px)
        self._block_BxHxW = np.empty((max(1, _BLOCK_BYTES // (self._size[0] * self._size[1])), *self._size), np.uint8)
        self._in_block = self._count = 0
        self._end = len(_header(0, self._size))
        self._widths: list[np.ndarray] = []
        self._openers: list[tuple[Path | None, Callable[[], _File]]] = [(None, _open_temporary), (None, io.BytesIO)]
        if path is not None:
            self._openers.insert(0, (path, lambda: path.open("x+b", buffering=0)))
        self.path: Path | None = None
        self._file: _File = io.BytesIO()
        self._move_on()

    def __enter__(self) -> "ImageWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def add(self, image_HxW: np.ndarray) -> None:
        """Appends an image, uint8."""
        self._block_BxHxW[self._in_block] = image_HxW
        self._in_block += 1
        if self._in_block == len(self._block_BxHxW):
            self._put_block()

    def finish(self) -> tuple[Images, np.ndarray]:
        """The images, which stay readable whatever becomes of the file, and their widths, int32 [N]."""
        self._put_block()
        self._put(_header(self._count, self._size), 0)
        widths_N = np.concatenate([np.zeros(0, np.int32), *self._widths])
        if isinstance(self._file, io.BytesIO):
            self._file.seek(0)
            return np.lib.format.read_array(self._file), widths_N
        return open_images(self._file), widths_N

    def _put_block(self) -> None:
        images_BxHxW = self._block_BxHxW[: self._in_block]
        self._widths.append(measure_widths(images_BxHxW, self._preprocessing))
        self._put(images_BxHxW.tobytes(), self._end)
        self._count += self._in_block
        self._in_block = 0

    def _put(self, content: bytes, start: int) -> None:
        try:
            _write_at(self._file, content, start)
        except OSError:
            self._move_on()
            self._put(content, start)
        self._end = max(self._end, start + len(content))

    def _move_on(self) -> None:
        """To the next file that takes what was written so far."""
        path, opener = self._openers.pop(0)
        try:
            file = opener()
        except OSError:
            self._move_on()
            return
        try:
            for start in range(0, self._end, _BLOCK_BYTES):
                self._file.seek(start)
                _write_at(file, self._file.read(min(_BLOCK_BYTES, self._end - start)), start)
        except OSError:
            file.close()
            self._move_on()
            return
        self._close()
        self._file, self.path = file, path

    def _close(self) -> None:
        self._file.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            self.path = None


def _open_temporary() -> _File:
    return tempfile.TemporaryFile(buffering=0)


def _write_at(file: _File, content: bytes, start: int) -> None:
    if isinstance(file, io.BytesIO):
        file.seek(start)
        file.write(content)
        return
    done = 0
    while done < len(content):
        done += os.pwrite(file.fileno(), content[done:], start + done)


def _header(count: int, size: tuple[int, int]) -> bytes:
    """Of the .npy file; as long for any count, since the format leaves room for it."""
    header = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (count, *size)}
    np.lib.format.write_array_header_1_0(header, shape)
    return header.getvalue()
