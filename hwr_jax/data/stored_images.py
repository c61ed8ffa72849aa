"""Preprocessed images in files: indexed as an array is, and in memory only where they are asked for."""

import math
import os
import weakref
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np


class StoredImages:
    """Images in files. `images[7]`, `images[2:5]`, `images[rows]` and, with columns, `images[rows, :, :40]` read them.

    Several threads may read at a time.

    Attributes:
      shape: N, H, W.
      dtype: uint8.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, files: "Sequence[_ImageFile]", positions_N: np.ndarray) -> None:
        """Args:
        files: of images of one size, at least one.
        positions_N: int64, which images, and in which order; files are counted through one after the other.
        """
        self._files = tuple(files)
        self._starts = np.cumsum([0, *(file.shape[0] for file in files[:-1])])
        self._positions_N = positions_N
        self.shape = (len(positions_N), *files[0].shape[1:])

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

    Raises:
      ValueError: not such a file, cut short, or not of images.
      OSError: it cannot be read.
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
