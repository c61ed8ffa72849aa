"""Manifests: tables with a row an image, as CSV, TSV or JSON."""

import dataclasses
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from hwr_jax.data.archives import Tree, open_tree, text_encoding
from hwr_jax.data.formats.base import Format, Option, TellTotal, ignore_total
from hwr_jax.data.formats.csv_rows import CsvRows
from hwr_jax.data.formats.entries import Entry, is_image, read_entries
from hwr_jax.data.formats.image_paths import ImagePaths
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import split_named
from hwr_jax.errors import InputError

JSON_LINES = (".jsonl", ".ndjson")
SUFFIXES = (".csv", ".tsv", *JSON_LINES)
# Tables too where they are named, or where a folder holds none of the above: docTR's labels.json, ICDAR's gt.txt.
OTHER_SUFFIXES = (".json", ".txt")
# Which column holds what, where no option says so: the first of these names that the table has.
COLUMN_NAMES = {
    "image": ("image", "file_name", "filename", "image_path", "path", "file", "img", "image_file", "image_name"),
    "text": (
        "text",
        "transcription",
        "label",
        "transcript",
        "ground_truth",
        "gt",
        "sentence",
        "word",
        "words",
        "labels",
    ),
    "writer": ("writer", "writer_id", "author", "hand", "scribe"),
    "split": ("split", "subset", "partition"),
    "id": ("id", "sample_id"),
}
COLUMN_OPTIONS = tuple(
    Option(f"{role}_column", f"column of {role}s{'; --config.data.split=given trains by them' * (role == 'split')}")
    for role in COLUMN_NAMES
)
_NOT_UTF8 = "not UTF-8 text; save it as UTF-8"
_REQUIRED = ("image", "text")
Row = tuple[int, Mapping[str, Any] | str]  # its line; values by column, or why it cannot be used


def parse_manifest(
    source: Path,
    *,
    workers: int,
    tell_total: TellTotal = ignore_total,
    delimiter: str = "",
    header: str = "",
    quotes: str = "",
    manifest: str = "",
    **columns: str,
) -> Iterator[Sample | Skip]:
    """The images that a table lists, with their texts, in the rows' order.

    Paths of images are relative to the table's folder; those of another machine are read as
    `hwr_jax.data.formats.image_paths` says. An id is the image's path, or what the id column holds. Without
    a writer column every image is a writer of its own: then the splits by writer are splits by image.

    Args:
      source: the table; a folder or an archive (tar, zip) that holds it beside the images. Several tables of one name,
        as train/metadata.csv and test/metadata.csv, are read together; folders that are named as splits give them.
      delimiter: of CSV files; "" takes what parts the header line, a comma, a semicolon or a tab.
      header: names of the columns of a CSV file without a header line, with commas between them. Of two columns, an
        image and a text, it need not be given.
      quotes: whether double quotes enclose fields of CSV files, "yes" or "no"; "" takes what the rows show.
      manifest: name of the table inside the source, where there are several.
      **columns: names of columns, see COLUMN_OPTIONS; one that is not named is found by the names in COLUMN_NAMES.

    Raises:
      InputError: the source is missing, holds no table, or the table has no column of images or of texts.
    """
    if source.is_file() and source.suffix.lower() in (*SUFFIXES, *OTHER_SUFFIXES):
        source, manifest = source.parent, source.name
    if len(delimiter) > 1:
        raise InputError(f"--delimiter={delimiter}: must be one character")
    if quotes not in ("", "yes", "no"):
        raise InputError(f"--quotes={quotes}: must be yes or no")
    reading = _Reading(source, columns, delimiter, header, quotes)
    with open_tree(source, lambda name: is_image(name) or _is_table(name) or name.endswith(manifest or ".csv")) as tree:
        names = [manifest] if manifest else _find_tables(tree, source)
        yield from read_entries((entry for name in names for entry in _entries(tree, name, reading)), workers=workers)


@dataclasses.dataclass(frozen=True)
class _Reading:
    """How tables are to be read, see `parse_manifest`."""

    source: Path
    columns: Mapping[str, str]
    delimiter: str
    header: str
    quotes: str


def _is_table(name: str, suffixes: Sequence[str] = (*SUFFIXES, *OTHER_SUFFIXES)) -> bool:
    return PurePosixPath(name).suffix.lower() in suffixes


def choose_columns(given: Mapping[str, str], there: list[str], where: str) -> dict[str, str]:
    """What a column holds -> its name, of those that are there.

    Raises InputError if a column that is named is not there, or none looks like images or texts.
    """
    chosen = {}
    for role, names in COLUMN_NAMES.items():
        name = given.get(f"{role}_column", "")
        if name and name not in there:
            raise InputError(f"{where}: no column {name!r}; the columns are {', '.join(map(repr, there))}")
        found = name or next((there[index] for n in names for index, t in enumerate(there) if t.lower() == n), "")
        if found:
            chosen[role] = found
        elif role in _REQUIRED:
            columns = ", ".join(map(repr, there[:20])) or "none"
            raise InputError(f"{where}: which column holds the {role}? Say --{role}_column=NAME; there are {columns}")
    return chosen


def _find_tables(tree: Tree, source: Path) -> list[str]:
    names = tree.names()
    tables = next(filter(None, ([n for n in names if _is_table(n, some)] for some in (SUFFIXES, OTHER_SUFFIXES))), [])
    if not tables:
        raise InputError(f"{source}: no table in it ({', '.join(SUFFIXES)}); give the manifest's path")
    if len({PurePosixPath(name).name for name in tables}) > 1:
        stems = {name.rpartition(".")[0] for name in tables}
        beside = any(is_image(name) and name.rpartition(".")[0] in stems for name in names)
        how = ", or read images with a text file each as pairs" if beside else ""
        raise InputError(f"{source}: several tables ({', '.join(tables[:4])} ...); say which with --manifest=NAME{how}")
    return tables


def _entries(tree: Tree, name: str, reading: _Reading) -> Iterator[Entry | Skip]:
    content = tree.content(name)
    if content is None:
        raise InputError(f"{reading.source}: no {name} in it")
    where = f"{reading.source}/{name}" if content else f"{reading.source}/{name} (empty)"

    def open_bytes() -> io.BytesIO | io.BufferedReader:
        return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")

    with open_bytes() as file:
        start = file.read(4)
    encoding = text_encoding(start)
    if encoding == "utf-8" and b"\0" in start:  # UTF-16 without a byte order mark
        raise InputError(f"{where}: {_NOT_UTF8}")

    def open_file() -> io.TextIOWrapper:
        return io.TextIOWrapper(open_bytes(), encoding=encoding, newline="")

    folder = PurePosixPath(name).parent
    split_of_folder = next((part for part in folder.parts if split_named(part)), "")
    paths = ImagePaths(tree, str(folder))
    try:
        columns, rows = _read_rows(open_file, name, where, reading)
        for number, row in rows:
            if isinstance(row, str):
                yield Skip(f"{name}, line {number}", row)
                continue
            columns = columns or choose_columns(reading.columns, list(row), where)
            yield _entry(tree, paths, row, columns, split_of_folder, f"{name}, line {number}")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: {_NOT_UTF8}") from error


def _read_rows(
    open_file: Callable[[], io.TextIOWrapper], name: str, where: str, reading: _Reading
) -> tuple[dict[str, str], Iterable[Row]]:
    """The columns by what they hold, {} where each row names its own; and the rows."""
    if _is_table(name, JSON_LINES):
        return {}, _json_lines(open_file)
    if _is_table(name, (".json",)):
        return {}, _json_rows(open_file, where)
    table = CsvRows(
        open_file, where, delimiter=reading.delimiter, quotes=reading.quotes, tabs=name.lower().endswith(".tsv")
    )
    names = [part.strip() for part in reading.header.split(",")] if reading.header else []
    if not names and any(map(is_image, [*table.first, *" ".join(table.first[:1]).split()[:1]])):
        names = _name_columns(table.first, where)
    names, header = names or table.first, not names
    if twice := [name for number, name in enumerate(names) if name and name in names[:number]]:
        raise InputError(f"{where}: two columns are called {twice[0]!r}; rename one in the table")
    columns = choose_columns(reading.columns, names, where)
    return columns, table.rows(names, columns["text"], header=header)


def _name_columns(row: Sequence[str], where: str) -> list[str]:
    """Names for the columns of a table whose first line is a row. InputError if it does not show what they hold."""
    if len(row) == 1:
        raise InputError(f"{where}: no comma, semicolon or tab in its first line; rimes_lines reads lists of PATH TEXT")
    if len(row) > 2:
        names = ",".join("image" if is_image(value) else f"column{n}" for n, value in enumerate(row, start=1))
        raise InputError(
            f"{where}: its first line is a row, no header; name its columns, one of them text: --header={names}"
        )
    return ["image", "text"] if is_image(row[0]) else ["text", "image"]


def _entry(
    tree: Tree, paths: ImagePaths, row: Mapping[str, Any], columns: Mapping[str, str], split: str, name: str
) -> Entry | Skip:
    values = {}
    for role, column in columns.items():
        value = row.get(column)
        if not isinstance(value, str | int) or isinstance(value, bool):
            if role in _REQUIRED or value is not None:
                return Skip(name, f"{role} missing" if value is None else f"{role} is no text")
            value = ""
        values[role] = str(value).strip()
    if not values["image"]:
        return Skip(name, "image missing")
    path = paths.find(values["image"])
    sample_id = values.get("id") or path or values["image"]
    if path is None:
        return Skip(sample_id, "image: its path leaves the manifest's folder")
    return Entry(sample_id, tree.content(path), values["text"], values.get("writer", ""), values.get("split") or split)


def _json_lines(open_file: Callable[[], io.TextIOWrapper]) -> Iterator[Row]:
    with open_file() as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                row = _parse_json(line)
                yield number, row if isinstance(row, dict) else "row cannot be read: not a JSON object"


def _json_rows(open_file: Callable[[], io.TextIOWrapper], where: str) -> list[Row]:
    """Rows of {"a.png": "text"}, {"a.png": {"text": ...}} or [{"image": "a.png", "text": ...}], numbered from 1."""
    with open_file() as file:
        found = _parse_json(file.read())
    if isinstance(found, dict):
        found = [{"image": key, **(v if isinstance(v, dict) else {"text": v})} for key, v in found.items()]
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise InputError(f'{where}: not a table; expected {{"IMAGE": "TEXT", ...}} or a list of objects')
    return list(enumerate(found, start=1))


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


MANIFEST = Format(
    "manifest",
    parse_manifest,
    "Images listed in a table.",
    options=(
        *COLUMN_OPTIONS,
        Option("delimiter", "of a CSV manifest (default: what parts its header line)", "CHARACTER"),
        Option("header", "the columns of a CSV manifest without a header line, such as image,writer,text", "NAMES"),
        Option(
            "quotes", "whether double quotes enclose fields of a CSV manifest (default: as its rows show)", "yes|no"
        ),
        Option("manifest", "which table of the source, where there are several"),
    ),
)
