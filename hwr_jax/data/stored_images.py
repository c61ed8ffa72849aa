"""Fitted frames that lie in files: indexed as an array is, and never in memory but for those asked for."""

import math
import os
import weakref
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

_READ_BYTES = 2**20


class StoredImages:
    """Images in files. `frames[7]`, `frames[2:5]`, `frames[rows]` and, with columns, `frames[rows, :, :40]` read them.

    Several threads may read at a time.

    Attributes:
      shape: N, H, W.
      dtype: uint8.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, files: "Sequence[_ImageFile]", places_N: np.ndarray) -> None:
        """Args:
        files: of frames of one size, at least one.
        places_N: int64, which frames, and in which order; files are counted through one after the other.
        """
        self._files = tuple(files)
        self._starts = np.cumsum([0, *(file.shape[0] for file in files[:-1])])
        self._places_N = places_N
        self.shape = (len(places_N), *files[0].shape[1:])

    @property
    def nbytes(self) -> int:
        """Bytes of all frames."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return len(self._places_N)

    def __getitem__(self, key: Any) -> np.ndarray:
        rows, *inside = key if isinstance(key, tuple) else (key,)
        places = np.asarray(self._places_N[rows])
        images_BxHxW = self._read(places.reshape(-1))
        if places.ndim == 0:
            return images_BxHxW[0][tuple(inside)]
        return images_BxHxW[(slice(None), *inside)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of them, in memory. Raises ValueError if that must not copy."""
        if copy is False:
            raise ValueError("frames in files cannot be an array without a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def select(self, rows_M: np.ndarray) -> "StoredImages":
        """The given rows, in their order, where they lie."""
        return StoredImages(self._files, self._places_N[rows_M])

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
        """The frames of all parts, of one size, one part after the other."""
        files = [file for part in parts for file in part._files]
        before = np.cumsum([0, *(sum(file.shape[0] for file in part._files) for part in parts[:-1])])
        places = [part._places_N + start for part, start in zip(parts, before, strict=True)]
        return StoredImages(files, np.concatenate(places))


Images = np.ndarray | StoredImages


def open_images(file: BinaryIO) -> StoredImages:
    """The frames of an open .npy file, which may be closed or deleted afterwards.

    Raises:
      ValueError: not such a file, cut short, or not of frames.
      OSError: it cannot be read.
    """
    file.seek(0)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"version {version} of the .npy format")
    shape, column_order, dtype = np.lib.format.read_array_header_1_0(file)
    if len(shape) != 3 or column_order or dtype != StoredImages.dtype:
        raise ValueError(f"an array {dtype} {shape} in place of frames")
    if os.fstat(file.fileno()).st_size < file.tell() + math.prod(shape):
        raise ValueError("cut short")
    return StoredImages([_ImageFile(file.fileno(), file.tell(), shape)], np.arange(shape[0]))


def select_images(frames: Images, rows_M: np.ndarray) -> Images:
    """The given rows, in their order; those in files stay there."""
    return frames.select(rows_M) if isinstance(frames, StoredImages) else frames[rows_M]


def join_images(parts: Sequence[Images]) -> Images:
    """The frames of all parts, of one size, one part after the other; those in files stay there."""
    stored = [part for part in parts if isinstance(part, StoredImages)]
    return StoredImages.join(stored) if len(stored) == len(parts) else np.concatenate([np.asarray(p) for p in parts])


class _ImageFile:
    """An open file of frames. Not mapped into memory: of a map all that was ever read counts as the process's."""

    def __init__(self, descriptor: int, start: int, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._start = start
        self._descriptor = os.dup(descriptor)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, rows_B: np.ndarray) -> np.ndarray:
        """The given rows, uint8 [B, H, W]. Raises OSError if the file has lost them."""
        images_BxHxW = np.empty((len(rows_B), *self.shape[1:]), np.uint8)
        if not images_BxHxW.size:
            return images_BxHxW
        content = images_BxHxW.reshape(-1).data
        size = math.prod(self.shape[1:])
        # Rows that lie one after the other are read at once.
        ends = [*(np.flatnonzero(np.diff(rows_B) != 1) + 1).tolist(), len(rows_B)]
        begin = 0
        for end in ends:
            self._read_into(content[begin * size : end * size], int(rows_B[begin]) * size)
            begin = end
        return images_BxHxW

    def _read_into(self, content: memoryview, start: int) -> None:
        done = 0
        while done < len(content):
            part = os.pread(self._descriptor, min(len(content) - done, _READ_BYTES), self._start + start + done)
            if not part:
                raise OSError("a file of preprocessed images was cut short while it was read")
            content[done : done + len(part)] = part
            done += len(part)
