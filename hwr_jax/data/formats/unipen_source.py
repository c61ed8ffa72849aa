"""The files of a UNIPEN copy: data files of a category with all that they include."""

import dataclasses
import re
from pathlib import Path, PurePosixPath

from hwr_jax.data.archives import SourceFile, read_tar, walk_files
from hwr_jax.data.formats.base import DataTerms
from hwr_jax.data.formats.unipen_ink import first_writer, included_files
from hwr_jax.errors import InputError

# Bounds the memory too, which holds all that is used of an archive: 0.4 GB for categories 7 and 8 of train_r01_v07.
_MAX_UNPACKED_BYTES = 4 * 2**30
UNIPEN_TERMS = DataTerms(
    "UNIPEN train_r01_v07, International Unipen Foundation, Zenodo, doi 10.5281/zenodo.1195803",
    "CC BY 4.0",
    "CC BY 4.0 as redistributed on Zenodo; the notice of the CD of 1999 grants research use and asks for a reference: "
    "I. Guyon, L. Schomaker, R. Plamondon, M. Liberman, S. Janet, UNIPEN project of on-line data exchange and "
    "recognizer benchmarks, ICPR 1994",
)
_CATEGORY_NAMES = {"7": "words", "8": "text"}


@dataclasses.dataclass(frozen=True)
class DataFile:
    """A data file and all that it includes (None for what is missing)."""

    id: str
    text: str
    included: tuple[SourceFile | None, ...]


def load_data_files(source: Path, categories: tuple[str, ...]) -> dict[str, list[DataFile]]:
    """Category -> its data files, in the order of their names. Ids are "unipen/CONTRIBUTOR/FILE".

    Args:
      source: a folder that holds data/ and include/, its parent folder, or a tar archive (.tar, .tar.gz, .tar.xz).
      categories: "7" (words) or "8" (text); the first must be there.

    Raises:
      InputError: the source is missing, is no UNIPEN data or lacks the first category.
    """
    files = _load_files(source, categories)
    return {category: _data_files(files, category) for category in categories}


def group_by_writer(data_files: list[DataFile]) -> list[list[DataFile]]:
    """Files of one contributor and writer together: one process reads them, and their words share a scale."""
    groups: dict[tuple[str, str], list[DataFile]] = {}
    for file in data_files:
        writers = (first_writer(included.read_start()) for included in file.included if included is not None)
        writer = next(filter(None, writers), file.id)
        groups.setdefault((file.id.split("/")[1], writer), []).append(file)
    return [groups[key] for key in sorted(groups)]


def count_segments(groups: list[list[DataFile]]) -> int:
    """How many segments grouped files have, of whatever kind."""
    return sum(file.text.count(".SEGMENT") for group in groups for file in group)


def _load_files(source: Path, categories: tuple[str, ...]) -> dict[str, SourceFile]:
    """Name, from the root that holds data/ and include/, -> file."""
    first = categories[0]
    of_category = "|".join(categories)
    used = re.compile(rf"(?:.*/)?(?:data/(?:{of_category})|include)/.+\.(?:dat|doc)")
    data_file = re.compile(rf"(?P<root>(?:.*/)?)data/{first}/[^/]+/[^/]+\.dat")
    if source.is_dir():
        roots = [root for root in (source, *sorted(source.iterdir())) if (root / "data" / first).is_dir()]
        found = {
            f"{root.name}/{part}/{file.name}": file
            for root in roots
            for part in (*(f"data/{category}" for category in categories), "include")
            for file in walk_files(root / part)
        }
    elif source.exists():
        files = read_tar(source, lambda name: used.fullmatch(name) is not None, max_bytes=_MAX_UNPACKED_BYTES)
        found = {file.name: file for file in files}
    else:
        raise InputError(f"{source}: no such file or folder; give a UNIPEN archive or its unpacked folder")
    prefixes = sorted({match["root"] for name in found if (match := data_file.fullmatch(name))})
    if not prefixes:
        what = _CATEGORY_NAMES[first]
        raise InputError(f"{source}: no UNIPEN {what} in it; expected data/{first}/CONTRIBUTOR/*.dat and include/")
    if len(prefixes) > 1:
        raise InputError(f"{source}: {len(prefixes)} UNIPEN trees in it ({', '.join(prefixes[:3])}); give one of them")
    return {name.removeprefix(prefixes[0]): file for name, file in found.items() if name.startswith(prefixes[0])}


def _data_files(files: dict[str, SourceFile], category: str) -> list[DataFile]:
    pattern = re.compile(rf"data/{category}/(?P<contributor>[^/]+)/(?P<stem>[^/]+)\.dat")
    found = []
    for name in sorted(files):
        if match := pattern.fullmatch(name):
            text = _decode(files[name].read())
            included = tuple(files.get(str(PurePosixPath("include", other))) for other in included_files(text))
            found.append(DataFile(f"unipen/{match['contributor']}/{match['stem']}", text, included))
    return found


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
