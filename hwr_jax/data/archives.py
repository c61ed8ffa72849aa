"""Files of a source that is a folder or a tar archive, read without trusting the archive."""

import bz2
import dataclasses
import gzip
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from hwr_jax.errors import InputError

MAX_UNPACKED_BYTES = 8 * 2**30
_OPENERS: dict[bytes, Callable[[Path], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_DAMAGED = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, gzip.BadGzipFile)


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes:
      name: its path inside the source, with forward slashes.
      content: its bytes, or where they lie.
    """

    name: str
    content: bytes | Path

    def read(self) -> bytes:
        """The file's bytes. Raises OSError if they cannot be read."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    def read_start(self, size: int = 4096) -> bytes:
        """The file's first bytes. Raises OSError if they cannot be read."""
        if isinstance(self.content, bytes):
            return self.content[:size]
        with self.content.open("rb") as file:
            return file.read(size)


def read_tar(path: Path, wanted: Callable[[str], bool], *, max_bytes: int = MAX_UNPACKED_BYTES) -> Iterator[SourceFile]:
    """The wanted regular files of a tar archive (plain, gz, bz2 or xz), in the archive's order.

    They are read one at a time, and nothing is written to disk.

    Args:
      path: the archive.
      wanted: says by its name whether a file is yielded.
      max_bytes: most bytes the archive may unpack to, wanted or not.

    Raises:
      InputError: not a tar archive; cut short or damaged; a wanted member that is a link or a device, or whose name is
        absolute or climbs out by ".."; more than `max_bytes`.
      OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        magic = file.read(6)
    opener = next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), lambda p: p.open("rb"))
    with opener(path) as unpacked:
        bounded = cast(BinaryIO, _BoundedFile(unpacked, path, max_bytes))
        members = 0
        try:
            with tarfile.open(fileobj=bounded, mode="r:") as archive:
                while (member := archive.next()) is not None:
                    members += 1
                    if wanted(member.name) and not member.isdir():
                        yield SourceFile(member.name, _read_member(archive, member, path))
                    archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep them all
        except _DAMAGED as error:
            if not members:
                raise InputError(
                    f"{path}: not a tar archive (.tar, .tar.gz, .tar.bz2, .tar.xz), or a damaged one"
                ) from error
            raise InputError(f"{path}: the archive is cut short or damaged after {members:,} members") from error


def walk_files(folder: Path) -> Iterator[SourceFile]:
    """All files under a folder in the order of their names; links to folders are not followed."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            yield SourceFile(path.relative_to(folder).as_posix(), path)


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bytes:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise InputError(f"{path}: member {member.name!r} leaves the archive's folder; this is no archive to trust")
    if not member.isreg():
        raise InputError(f"{path}: member {member.name!r} is a link or a device; unpack it and give the folder")
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


class _BoundedFile:
    """The part of a file object that tarfile uses, refusing to go past `max_bytes`.

    Headers say how much is to be read, so a few bytes of archive can ask for any amount of memory.
    """

    def __init__(self, file: io.BufferedIOBase, path: Path, max_bytes: int) -> None:
        self._file = file
        self._path = path
        self._max_bytes = max_bytes

    def read(self, size: int) -> bytes:
        self._check(self._file.tell() + size)
        return self._file.read(size)

    def seek(self, position: int) -> int:
        self._check(position)
        return self._file.seek(position)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, position: int) -> None:
        if position > self._max_bytes:
            raise InputError(f"{self._path}: unpacks to more than {self._max_bytes / 2**30:.1f} GiB; refused")
