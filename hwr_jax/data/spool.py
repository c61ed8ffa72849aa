"""Samples put aside on disk for a short time."""

import contextlib
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hwr_jax.data.sample import Sample


class Spool:
    """Samples in a nameless temporary file, which is gone however the process ends.

    Attributes:
      ids: of the samples, in order.
      writers: who wrote them.
      characters: all in their texts.
    """

    def __init__(self, folder: Path, files: contextlib.ExitStack) -> None:
        """Puts the file on the disk of `folder`, open until `files` is closed. Raises OSError if it cannot be made."""
        self.ids: list[str] = []
        self.writers: set[str] = set()
        self.characters: set[str] = set()
        self._folder = folder
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by `files`)
        self._file: BinaryIO = files.enter_context(file)

    def add(self, sample: Sample) -> None:
        """Appends a sample, its image read into the spool. Raises OSError if the disk is full."""
        fields = [sample.id.encode(), sample.text.encode(), sample.writer.encode(), sample.image_bytes()]
        try:
            self._file.write(struct.pack("<4Q", *map(len, fields)) + b"".join(fields))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._folder)) from error
        self.ids.append(sample.id)
        self.writers.add(sample.writer)
        self.characters.update(sample.text)

    def __iter__(self) -> Iterator[Sample]:
        self._file.seek(0)
        for _ in self.ids:
            sizes = struct.unpack("<4Q", self._file.read(32))
            sample_id, text, writer, image = (self._file.read(size) for size in sizes)
            yield Sample(sample_id.decode(), text.decode(), writer.decode(), image)
