"""Files of a source by name, whether it is a folder, a tar or a zip archive; no archive is trusted."""

import bz2
import codecs
import contextlib
import dataclasses
import gzip
import io
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

MAX_UNPACKED_BYTES = 8 * 2**30
_CHUNK_BYTES = 2**20
_MAC_FOLDER = "__MACOSX"
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_OPENERS: dict[bytes, Callable[[Path], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_DAMAGED_TAR = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError)
_DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError)


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """One file of a source: its path inside the source, and its bytes or where they lie."""

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
    """The wanted (by name) regular files of a tar archive (plain, gz, bz2 or xz), in its order; nothing goes to disk.

    Raises InputError for no tar archive; one cut short or damaged; a wanted member that is a link or a device, or whose
    name is absolute or climbs out by ".."; one that unpacks to more than `max_bytes`, wanted or not. Raises OSError if
    the file cannot be opened.
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
                    if wanted(member.name) and not member.isdir() and not _is_side_file(member.name):
                        _check_member(path, member.name, is_file=member.isreg())
                        yield SourceFile(member.name, cast(BinaryIO, archive.extractfile(member)).read())
                    archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep them all
        except _DAMAGED_TAR as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the system's; those of bz2 and gzip for damaged data have no number
            if not members:
                kinds = ".zip, .tar, .tar.gz, .tar.bz2, .tar.xz"
                raise InputError(f"{path}: neither a folder nor an archive ({kinds}), or a damaged one") from error
            raise InputError(
                f"{path}: the archive is cut short or damaged after {count_of(members, 'member')}"
            ) from error


def read_zip(path: Path, wanted: Callable[[str], bool], *, max_bytes: int = MAX_UNPACKED_BYTES) -> Iterator[SourceFile]:
    """As `read_tar`, of a zip archive; one that is encrypted is refused too."""
    unpacked = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.is_dir() or _is_side_file(member.filename) or not wanted(member.filename):
                    continue
                _check_member(path, member.filename, is_file=not stat.S_ISLNK(member.external_attr >> 16))
                parts = []
                with archive.open(member) as file:
                    while part := file.read(_CHUNK_BYTES):
                        unpacked += len(part)
                        _check_size(path, unpacked, max_bytes)
                        parts.append(part)
                yield SourceFile(member.filename, b"".join(parts))
    except InputError:
        raise
    except _DAMAGED_ZIP as error:
        raise InputError(f"{path}: the zip archive is damaged or encrypted ({' '.join(str(error).split())})") from error


def walk_files(folder: Path) -> Iterator[SourceFile]:
    """All files under a folder in the order of their names, without what macOS puts beside them.

    Links to folders elsewhere are followed; each folder is walked once. Links back into this one lead to no new file.
    """
    root = folder.resolve()
    entered: set[Path] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in sorted(folders) if _leads_on(Path(parent, name), root, entered)]
        for name in sorted(names):
            path = Path(parent, name)
            if not _is_side_file(name):
                yield SourceFile(path.relative_to(folder).as_posix(), path)


def _leads_on(folder: Path, root: Path, entered: set[Path]) -> bool:
    """Whether to walk into a folder, which is then noted in `entered`."""
    target = folder.resolve()
    leads_back = folder.is_symlink() and (target.is_relative_to(root) or root.is_relative_to(target))
    if folder.name == _MAC_FOLDER or leads_back or target in entered:
        return False
    entered.add(target)
    return True


def _is_side_file(name: str) -> bool:
    """Whether macOS keeps attributes under this name: ._x beside x, .DS_Store, or a folder of their own in archives."""
    *folders, last = PurePosixPath(name).parts or ("",)
    return _MAC_FOLDER in folders or last.startswith("._") or last == ".DS_Store"


class Tree:
    """Files by their names inside the source, with forward slashes: those of a folder."""

    def __init__(self, folder: Path, wanted: Callable[[str], bool]) -> None:
        self._folder, self._wanted = folder, wanted

    def names(self) -> list[str]:
        """Of all files, sorted."""
        return sorted(file.name for file in walk_files(self._folder) if self._wanted(file.name))

    def list_folder(self, folder: str) -> tuple[list[str], list[str]]:
        """The names of the wanted files and of the folders in a folder, sorted; none if there is no such folder."""
        try:
            entries = sorted(os.scandir(self._folder / folder), key=lambda entry: entry.name)
        except (OSError, ValueError):
            return [], []
        files = [entry.name for entry in entries if entry.is_file() and self._wanted(entry.name)]
        return files, [entry.name for entry in entries if entry.is_dir()]

    def content(self, name: str) -> bytes | Path | None:
        """A file's bytes, or where they lie; None if there is no such file in the source."""
        inner = inside("", name)
        if not inner or "\0" in inner:
            return None
        try:
            return path if (path := self._folder / inner).is_file() else None
        except OSError:  # a name too long for the file system
            return None

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
    process ends: nothing is unpacked under a name that the archive chose. A folder that holds all of an archive's files
    is left out of their names, so that they are those of the unpacked folder. Raises InputError if there is no such
    source, or it is neither a folder nor an archive, or an archive that is damaged or not to be trusted.
    """
    if source.is_dir():
        yield Tree(source, wanted)
        return
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    read = read_zip if zipfile.is_zipfile(source) else read_tar
    with tempfile.TemporaryFile() as spool:
        yield _ArchiveTree(read(source, wanted, max_bytes=max_bytes), spool)


def text_encoding(start: bytes) -> str:
    """The encoding that a file's byte order mark tells, as Excel and Windows write it; UTF-8 without one."""
    return next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), "utf-8")


def decode_text(data: bytes, otherwise: str = "latin-1") -> str:
    """Text in UTF-8 or, where a byte order mark tells so, UTF-16; else in the encoding `otherwise`.

    Raises UnicodeDecodeError if it is not in that either.
    """
    try:
        return data.decode(text_encoding(data))
    except UnicodeDecodeError:
        return data.decode(otherwise)


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


class _ArchiveTree(Tree):
    def __init__(self, files: Iterator[SourceFile], spool: BinaryIO) -> None:
        self._spool = spool
        ranges: dict[str, tuple[int, int]] = {}
        for file in files:
            data = file.read()
            ranges[PurePosixPath(file.name).as_posix()] = (spool.tell(), len(data))
            spool.write(data)
        tops = {name.partition("/")[0] if "/" in name else "" for name in ranges}
        root = f"{tops.pop()}/" if len(tops) == 1 and tops != {""} else ""
        self._ranges = {name.removeprefix(root): bounds for name, bounds in ranges.items()}

    def names(self) -> list[str]:
        return sorted(self._ranges)

    def list_folder(self, folder: str) -> tuple[list[str], list[str]]:
        paths = [PurePosixPath(name) for name in self._ranges]
        inner = [path.relative_to(folder).parts for path in paths if path.is_relative_to(folder)]
        files = sorted(parts[0] for parts in inner if len(parts) == 1)
        return files, sorted({parts[0] for parts in inner if len(parts) > 1})

    def content(self, name: str) -> bytes | None:
        bounds = self._ranges.get(inside("", name) or "")
        if bounds is None:
            return None
        self._spool.seek(bounds[0])
        return self._spool.read(bounds[1])


def _check_member(path: Path, name: str, *, is_file: bool) -> None:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise InputError(f"{path}: member {name!r} leaves the archive's folder; this is no archive to trust")
    if not is_file:
        raise InputError(f"{path}: member {name!r} is a link or a device; unpack it and give the folder")


def _check_size(path: Path, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise InputError(f"{path}: unpacks to more than {max_bytes / 2**30:.1f} GiB; refused")


class _BoundedFile:
    """The part of a file object that tarfile uses, refusing to go past `max_bytes`.

    Headers say how much is to be read, so a few bytes of archive can ask for any amount of memory.
    """

    def __init__(self, file: io.BufferedIOBase, path: Path, max_bytes: int) -> None:
        self._file, self._path, self._max_bytes = file, path, max_bytes
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        _check_size(self._path, self._file.tell() + size, self._max_bytes)
        return self._file.read(size)

    def seek(self, position: int) -> int:
        _check_size(self._path, position, self._max_bytes)
        return self._file.seek(position)
