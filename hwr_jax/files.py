"""Files written whole or not at all."""

import gzip
import os
from pathlib import Path

GZIPPED = ".gz"  # the suffix of language models and word lists that are read and written through gzip


def unzip(content: bytes) -> bytes:
    """The bytes of a file, those inside if it is gzipped. Raises OSError, EOFError or zlib.error if it is damaged."""
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 through a neighbour that is renamed, so that readers never see half a file. Raises OSError."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """As `write_text`, for bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def shorten_path(path: str) -> str:
    """The last part of an absolute path, which tells of one machine only; another path as it is."""
    return Path(path).name if path.startswith("/") else path
