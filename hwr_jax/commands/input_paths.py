"""The files that a command is given: paths, folders, patterns, and - for standard input; none is written over."""

import dataclasses
import glob
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath

from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

STDIN = "-"
# Beside the suffixes of images that data sets may have.
_OTHER_SUFFIXES = (".pdf", ".heic", ".heif")


@dataclasses.dataclass(frozen=True)
class InputFile:
    """A file to read."""

    name: str  # for messages and results
    stem: PurePath  # of what is written of it: its path in the folder that was given, without a suffix

    def open(self) -> bytes | Path:
        """What is read of it: its path, or the bytes of standard input."""
        return sys.stdin.buffer.read() if self.name == STDIN else Path(self.name)


def expand_paths(arguments: Sequence[str], say: Callable[[str], None]) -> list[InputFile]:
    """The files that arguments name, in their order; of a folder its images, also those in folders below, by name.

    What lies in a folder and is no image by its suffix is counted, and said.

    Raises:
      InputError: standard input is given twice, a folder holds no image.
    """
    files: list[InputFile] = []
    for argument in arguments:
        if os.path.isdir(argument):
            files += _in_folder(argument, say)
        elif glob.has_magic(argument) and not os.path.exists(argument) and (found := _matches(argument)):
            files += [InputFile(path, PurePath(PurePath(path).stem)) for path in found]
        else:
            files.append(InputFile(argument, PurePath("stdin" if argument == STDIN else PurePath(argument).stem)))
    if sum(file.name == STDIN for file in files) > 1:
        raise InputError("-: standard input can be read only once")
    return files


def _matches(pattern: str) -> list[str]:
    return sorted(path for path in glob.glob(pattern, recursive=True) if not os.path.isdir(path))


def _in_folder(folder: str, say: Callable[[str], None]) -> list[InputFile]:
    from hwr_jax.data.sample import IMAGE_SUFFIXES

    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    inside = [path.relative_to(folder) for path in paths]
    shown = [path for path in inside if not any(part.startswith(".") for part in path.parts)]
    images = [path for path in shown if path.suffix.lower() in (*IMAGE_SUFFIXES, *_OTHER_SUFFIXES)]
    if not images:
        raise InputError(f"{folder}: a folder without images")
    if others := len(shown) - len(images):
        say(f"{folder}: {count_of(others, 'other file')} not read: no image by name")
    return [InputFile(str(Path(folder) / path), PurePath(path).with_suffix("")) for path in images]


def check_written(written: Iterable[tuple[Path, Path]], inputs: Iterable[Path]) -> None:
    """Raises InputError: two inputs would be written to one file, or one over an input.

    `written` has each input with a file that it will be written to.
    """
    read = {path.resolve() for path in inputs}
    sources: dict[Path, Path] = {}
    for source, file in written:
        if file.resolve() in read:
            raise InputError(f"{source}: {file} would be written over a file that is read; give another folder")
        other = sources.setdefault(file.resolve(), source)
        if other.resolve() != source.resolve():
            raise InputError(f"{other} and {source} would both be written to {file}; give them apart")
