"""Preprocessed images in files: written as they come, indexed as an array is, in memory only where they are asked for.

Where the disk is full or read-only, they are written elsewhere.
"""

import io
import math
import os
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hwr_jax.ink.model_input import Preprocessing, measure_widths


class StoredImages:
    """Images in files. `images[7]`, `images[2:5]`, `images[rows]` and, with columns, `images[rows, :, :40]` read them.

    Several threads may read at a time.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, files: "Sequence[_ImageFile]", positions_N: np.ndarray) -> None:
        """Takes files of images of one size, and which images of all of them, in which order, int64."""
        self._files = tuple(files)
        self._starts = np.cumsum([0, *(file.shape[0] for file in files[:-1])])
        self._positions_N = positions_N
        self.shape = (len(positions_N), *files[0].shape[1:])  # N, H, W

    @property
    def nbytes(self) -> int:
        """Bytes of all images."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return len(self._positions_N)

    def __getitem__(self, key: Any) -> np.ndarray:
        rows, *inside = key if isinstance(key, tuple) else (key,)
        positions = np.asarray(self._positions_N[rows])
        images_BxHxW = self._read(positions.reshape(-1))
        if positions.ndim == 0:
            return images_BxHxW[0][tuple(inside)]
        return images_BxHxW[(slice(None), *inside)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of them, in memory. Raises ValueError if that must not copy."""
        if copy is False:
            raise ValueError("images in files cannot be an array without a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def select(self, rows_M: np.ndarray) -> "StoredImages":
        """The given rows, in their order, where they lie."""
        return StoredImages(self._files, self._positions_N[rows_M])

    def _read(self, positions_B: np.ndarray) -> np.ndarray:
        if len(self._files) == 1:
            return self._files[0].read(positions_B)
        images_BxHxW = np.empty((len(positions_B), *self.shape[1:]), self.dtype)
        file_B = np.searchsorted(self._starts, positions_B, side="right") - 1
        for number in np.unique(file_B):
            mine = file_B == number
            images_BxHxW[mine] = self._files[number].read(positions_B[mine] - self._starts[number])
        return images_BxHxW

    @staticmethod
    def join(parts: "Sequence[StoredImages]") -> "StoredImages":
        """The images of all parts, of one size, one part after the other."""
        files = [file for part in parts for file in part._files]
        before = np.cumsum([0, *(sum(file.shape[0] for file in part._files) for part in parts[:-1])])
        positions = [part._positions_N + start for part, start in zip(parts, before, strict=True)]
        return StoredImages(files, np.concatenate(positions))


Images = np.ndarray | StoredImages


def open_images(file: BinaryIO) -> StoredImages:
    """The images of an open .npy file, which may be closed or deleted afterwards.

    Raises ValueError if it is not such a file, cut short, or not of images, and OSError if it cannot be read.
    """
    file.seek(0)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"version {version} of the .npy format")
    shape, column_order, dtype = np.lib.format.read_array_header_1_0(file)
    if len(shape) != 3 or column_order or dtype != StoredImages.dtype:
        raise ValueError(f"an array {dtype} {shape} where images should be")
    if os.fstat(file.fileno()).st_size < file.tell() + math.prod(shape):
        raise ValueError("cut short")
    return StoredImages([_ImageFile(file, file.tell(), shape)], np.arange(shape[0]))


def select_images(images: Images, rows_M: np.ndarray) -> Images:
    """The given rows, in their order; those in files stay there."""
    return images.select(rows_M) if isinstance(images, StoredImages) else images[rows_M]


def join_images(parts: Sequence[Images]) -> Images:
    """The images of all parts, of one size, one part after the other; those in files stay there."""
    stored = [part for part in parts if isinstance(part, StoredImages)]
    return StoredImages.join(stored) if len(stored) == len(parts) else np.concatenate([np.asarray(p) for p in parts])


class _ImageFile:
    """An open file of images, mapped into memory for each reading alone: of a map that stays, all that was ever read
    counts as the process's memory."""

    def __init__(self, file: BinaryIO, start: int, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._start = start
        self._file = os.fdopen(os.dup(file.fileno()), "rb")
        weakref.finalize(self, self._file.close)

    def read(self, rows_B: np.ndarray) -> np.ndarray:
        """The given rows, uint8 [B, H, W]. Raises OSError if the file has lost them."""
        if not len(rows_B) or not math.prod(self.shape):
            return np.empty((len(rows_B), *self.shape[1:]), np.uint8)
        try:
            images_NxHxW = np.memmap(self._file, np.uint8, "r", self._start, self.shape)
        except ValueError as error:
            raise OSError("a file of preprocessed images was cut short while it was read") from error
        return np.array(images_NxHxW[rows_B])


_BLOCK_BYTES = 2**20
_File = io.FileIO | io.BytesIO


class ImageWriter:
    """Writes images one after the other to a .npy file; a context, at whose end the file is gone unless it was moved.

    Where the file cannot be made or grows no further, its images move on to a nameless file in the folder for temporary
    files ($TMPDIR), and where that cannot take them either, to memory. Without a path they begin in the nameless file.
    """

    def __init__(self, preprocessing: Preprocessing, path: Path | None = None) -> None:
        self._preprocessing = preprocessing
        self._size = (preprocessing.height_px, preprocessing.width_px)
        self._block_BxHxW = np.empty((max(1, _BLOCK_BYTES // (self._size[0] * self._size[1])), *self._size), np.uint8)
        self._in_block = self._count = 0
        self._end = len(_header(0, self._size))
        self._widths: list[np.ndarray] = []
        self._openers: list[tuple[Path | None, Callable[[], _File]]] = []
        if path is not None:
            self._openers.append((path, lambda: path.open("x+b", buffering=0)))
        self._openers += [(None, lambda: tempfile.TemporaryFile(buffering=0)), (None, io.BytesIO)]  # noqa: SIM115
        self.path: Path | None = None  # of the file; None where it has no name
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
        file: _File | None = None
        try:
            file = opener()
            for start in range(0, self._end, _BLOCK_BYTES):
                self._file.seek(start)
                _write_at(file, self._file.read(min(_BLOCK_BYTES, self._end - start)), start)
        except OSError:
            if file is not None:
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
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (count, *size)})
    return header.getvalue()
