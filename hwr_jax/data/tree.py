"""A source's files by name, whether it is a folder, a tar or a zip archive."""

import contextlib
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from hwr_jax.data.archives import MAX_UNPACKED_BYTES, SourceFile, read_tar
from hwr_jax.errors import InputError

_CHUNK_BYTES = 2**20
_DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class Tree:
    """Files by their names inside the source, with forward slashes."""

    def names(self) -> list[str]:
        """Of all files, sorted."""
        raise NotImplementedError

    def content(self, name: str) -> bytes | Path | None:
        """A file's bytes, or where they lie; None if there is no such file in the source."""
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises FileNotFoundError if it is not there, OSError if it cannot be read."""
        content = self.content(name)
        if content is None:
            raise FileNotFoundError(name)
        return content if isinstance(content, bytes) else content.read_bytes()


@contextlib.contextmanager
def open_tree(source: Path, wanted: Callable[[str], bool], *, max_bytes: int = MAX_UNPACKED_BYTES) -> Iterator[Tree]:
    """Opens a folder or an archive (.zip, .tar, .tar.gz, .tar.bz2, .tar.xz) for the time of the block.

    The wanted files of an archive are copied to one nameless temporary file (in $TMPDIR), which is gone however the
    process ends: nothing is unpacked under a name that the archive chose. A folder that holds all of an archive's
    files is left out of their names, so that they are those of the unpacked folder.

    Args:
      source: the folder or archive.
      wanted: says by its name whether a file counts.
      max_bytes: most bytes an archive may unpack to.

    Raises:
      InputError: no such source; neither a folder nor an archive; an archive that is damaged, or not to be trusted.
    """
    if source.is_dir():
        yield _Folder(source, wanted)
        return
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    is_zip = zipfile.is_zipfile(source)
    files = read_zip(source, wanted, max_bytes) if is_zip else read_tar(source, wanted, max_bytes=max_bytes)
    with tempfile.TemporaryFile() as spool:
        yield _Archive(files, spool)


def read_zip(path: Path, wanted: Callable[[str], bool], max_bytes: int = MAX_UNPACKED_BYTES) -> Iterator[SourceFile]:
    """The wanted regular files of a zip archive, one at a time; nothing is written to disk.

    Raises:
      InputError: damaged, encrypted, or more than `max_bytes`; a wanted member that is a link, or whose name is
        absolute or climbs out by "..".
    """
    unpacked = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.is_dir() or not wanted(member.filename):
                    continue
                _check_member(member, path)
                parts = []
                with archive.open(member) as file:
                    while part := file.read(_CHUNK_BYTES):
                        unpacked += len(part)
                        if unpacked > max_bytes:
                            raise InputError(f"{path}: unpacks to more than {max_bytes / 2**30:.1f} GiB; refused")
                        parts.append(part)
                yield SourceFile(member.filename, b"".join(parts))
    except InputError:
        raise
    except _DAMAGED_ZIP as error:
        raise InputError(f"{path}: the zip archive is damaged or encrypted ({' '.join(str(error).split())})") from error


def inside(folder: str, name: str) -> str | None:
    """A name relative to a folder of the source, from the source's root; None if it leaves the source."""
    parts: list[str] = []
    for part in PurePosixPath(folder, name.replace("\\", "/")).parts:
        if part == ".." and parts:
            parts.pop()
        elif part in ("..", "/"):
            return None
        else:
            parts.append(part)
    return "/".join(parts)


def _check_member(member: zipfile.ZipInfo, path: Path) -> None:
    name = PurePosixPath(member.filename)
    if name.is_absolute() or ".." in name.parts:
        raise InputError(f"{path}: member {member.filename!r} leaves the archive's folder; this is no archive to trust")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError(f"{path}: member {member.filename!r} is a link; unpack it and give the folder")


class _Folder(Tree):
    def __init__(self, folder: Path, wanted: Callable[[str], bool]) -> None:
        self._folder = folder
        self._wanted = wanted

    def names(self) -> list[str]:
        found = []
        for parent, folders, files in os.walk(self._folder):
            folders.sort()
            names = (Path(parent, name).relative_to(self._folder).as_posix() for name in files)
            found += [name for name in names if self._wanted(name)]
        return sorted(found)

    def content(self, name: str) -> Path | None:
        place = inside("", name)
        if not place or "\0" in place:
            return None
        path = self._folder / place
        try:
            return path if path.is_file() else None
        except OSError:  # a name too long for the file system
            return None


class _Archive(Tree):
    def __init__(self, files: Iterator[SourceFile], spool: BinaryIO) -> None:
        self._spool = spool
        places: dict[str, tuple[int, int]] = {}
        for file in files:
            data = file.read()
            places[PurePosixPath(file.name).as_posix()] = (spool.tell(), len(data))
            spool.write(data)
        tops = {name.partition("/")[0] if "/" in name else "" for name in places}
        root = f"{tops.pop()}/" if len(tops) == 1 and tops != {""} else ""
        self._places = {name.removeprefix(root): place for name, place in places.items()}

    def names(self) -> list[str]:
        return sorted(self._places)

    def content(self, name: str) -> bytes | None:
        place = self._places.get(inside("", name) or "")
        if place is None:
            return None
        self._spool.seek(place[0])
        return self._spool.read(place[1])
