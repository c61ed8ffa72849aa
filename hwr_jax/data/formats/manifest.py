"""Tables with a row an image: manifests (CSV, TSV or JSON lines), and Hugging Face data sets with an image column.

The latter are what `save_to_disk` wrote (Arrow files), or parquet files. They are read with pyarrow alone, a batch of
rows at a time (`pip install -e '.[hugging_face]'`).
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hwr_jax.data.archives import Tree, inside, open_tree
from hwr_jax.data.formats.base import Format, Option, TellTotal, ignore_total
from hwr_jax.data.formats.entries import Entry, is_image, read_entries
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import split_named
from hwr_jax.errors import InputError

JSON_SUFFIXES = (".jsonl", ".ndjson")
SUFFIXES = (".csv", ".tsv", *JSON_SUFFIXES)
# Which column holds what, where no option says so: the first of these names that the table has.
COLUMN_NAMES = {
    "image": ("image", "file_name", "filename", "image_path", "path", "file", "img", "image_file"),
    "text": ("text", "transcription", "label", "transcript", "ground_truth", "gt", "sentence", "word"),
    "writer": ("writer", "writer_id", "author", "hand", "scribe"),
    "split": ("split", "subset", "partition"),
    "id": ("id", "sample_id"),
}
COLUMN_OPTIONS = tuple(
    Option(f"{role}_column", f"column of {role}s{'; --config.data.split=given trains by them' * (role == 'split')}")
    for role in COLUMN_NAMES
)
_REQUIRED = ("image", "text")
Row = Mapping[str, Any] | None  # None: a row that cannot be read


class _Tsv(csv.excel_tab):
    quoting = csv.QUOTE_NONE


def parse_manifest(
    source: Path,
    *,
    workers: int,
    tell_total: TellTotal = ignore_total,
    delimiter: str = "",
    manifest: str = "",
    **columns: str,
) -> Iterator[Sample | Skip]:
    """The images that a table lists, with their texts, in the rows' order.

    Paths of images are relative to the table's folder. An id is the image's path, or what the id column holds. Without
    a writer column every image is a writer of its own: then the splits by writer are splits by image.

    Args:
      source: the table; a folder or an archive (tar, zip) that holds it beside the images. Several tables of one name,
        as train/metadata.csv and test/metadata.csv, are read together; folders that are named as splits give them.
      delimiter: of CSV files; "" takes what parts the header line, a comma, a semicolon or a tab.
      manifest: name of the table inside the source, where there are several.
      **columns: names of columns, see COLUMN_OPTIONS; one that is not named is found by the names in COLUMN_NAMES.

    Raises:
      InputError: the source is missing, holds no table, or the table has no column of images or of texts.
    """
    if source.is_file() and source.suffix.lower() in SUFFIXES:
        source, manifest = source.parent, source.name
    if len(delimiter) > 1:
        raise InputError(f"--delimiter={delimiter}: must be one character")
    with open_tree(source, lambda name: is_image(name) or is_table(name) or name.endswith(manifest or ".csv")) as tree:
        names = [manifest] if manifest else _find_tables(tree, source)
        yield from read_entries(
            (entry for name in names for entry in _entries(tree, name, columns, delimiter, source)), workers=workers
        )


def is_table(name: str) -> bool:
    """Whether a file's name ends as those of manifests do."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


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
    tables = [name for name in tree.names() if is_table(name)]
    if not tables:
        raise InputError(f"{source}: no table in it ({', '.join(SUFFIXES)}); give the manifest's path")
    if len({PurePosixPath(name).name for name in tables}) > 1:
        raise InputError(f"{source}: several tables ({', '.join(tables[:4])} ...); say which with --manifest=NAME")
    return tables


def _entries(tree: Tree, name: str, given: Mapping[str, str], delimiter: str, source: Path) -> Iterator[Entry | Skip]:
    content = tree.content(name)
    if content is None:
        raise InputError(f"{source}: no {name} in it")
    where = f"{source}/{name}" if content else f"{source}/{name} (empty)"
    opened = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
    folder = str(PurePosixPath(name).parent)
    split_of_folder = next((part for part in PurePosixPath(folder).parts if split_named(part)), "")
    with opened, io.TextIOWrapper(opened, encoding="utf-8-sig", newline="") as file:
        rows = _json_rows(file) if name.lower().endswith(JSON_SUFFIXES) else _csv_rows(file, name, delimiter)
        columns: dict[str, str] = {}
        try:
            for number, row in enumerate(rows, start=1):
                if row is None:
                    yield Skip(f"{name}, row {number}", "row cannot be read")
                    continue
                columns = columns or choose_columns(given, list(row), where)
                yield _entry(tree, folder, row, columns, split_of_folder, f"{name}, row {number}")
        except UnicodeDecodeError as error:
            raise InputError(f"{where}: not UTF-8 text; convert it") from error
        except csv.Error as error:
            raise InputError(f"{where}: not a table ({error})") from error


def _entry(
    tree: Tree, folder: str, row: Mapping[str, Any], columns: Mapping[str, str], split: str, name: str
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
    path = inside(folder, values["image"])
    sample_id = values.get("id") or path or values["image"]
    if path is None:
        return Skip(sample_id, "image: its path leaves the manifest's folder")
    return Entry(sample_id, tree.content(path), values["text"], values.get("writer", ""), values.get("split") or split)


def _json_rows(file: io.TextIOWrapper) -> Iterator[Row]:
    for line in file:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        yield row if isinstance(row, dict) else None


def _csv_rows(file: io.TextIOWrapper, name: str, delimiter: str) -> Iterator[Row]:
    header = file.readline()
    tabs = name.lower().endswith(".tsv")
    delimiter = delimiter or ("\t" if tabs else max(",;\t", key=header.count))
    # Quotes mean themselves in TSV files, where nothing needs quoting.
    dialect = _Tsv if tabs else csv.excel
    names = next(csv.reader([header], dialect, delimiter=delimiter), [])
    for row in csv.reader(file, dialect, delimiter=delimiter):
        if row:
            yield dict(zip(names, row, strict=True)) if len(row) == len(names) else None


MANIFEST = Format(
    "manifest",
    parse_manifest,
    "Images listed in a table.",
    options=(
        *COLUMN_OPTIONS,
        Option("delimiter", "of a CSV manifest (default: what parts its header line)", "CHARACTER"),
        Option("manifest", "which table of the source, where there are several"),
    ),
)


_ARROW_SUFFIXES = (".arrow", ".parquet")
_BATCH_ROWS = 32


def parse_hugging_face(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, **columns: str
) -> Iterator[Sample | Skip]:
    """The rows of a data set that holds its images.

    Ids are "FILE/ROW", or what the id column holds. Without a writer column every row is a writer of its own. A folder
    or file that is named as a split (train/, test-00000-of-00001.parquet) gives it. The source is a folder that
    `save_to_disk` wrote, a folder with parquet files, or one such file; columns are named as for `parse_manifest`.
    Raises InputError: pyarrow is not installed; the source is missing, damaged, or holds no images and texts.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise InputError("hugging_face: needs pyarrow; pip install 'hwr_jax[hugging_face]'") from error
    names = _find_files(source)

    def entries() -> Iterator[Entry | Skip]:
        for name in names:
            path = source / name if source.is_dir() else source
            try:
                yield from _arrow_entries(path, name, columns)
            except InputError:
                raise
            except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
                raise InputError(f"{path}: not a whole data set file ({' '.join(str(error).split())[:200]})") from error

    yield from read_entries(entries(), workers=workers)


def _find_files(source: Path) -> list[str]:
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    if source.is_file():
        return [source.name]
    found = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.suffix in _ARROW_SUFFIXES]
    # What the library keeps beside the data of steps it once did.
    names = sorted(name for name in found if not PurePosixPath(name).name.startswith(("cache-", "tmp")))
    if not names:
        raise InputError(f"{source}: no .arrow or .parquet files in it; give a folder that save_to_disk wrote")
    return names


def _arrow_entries(path: Path, name: str, given: Mapping[str, str]) -> Iterator[Entry | Skip]:
    parts = re.split(r"[/\-.]", name)
    split = next((part for part in parts if split_named(part)), "")
    columns: dict[str, str] = {}
    row = 0
    for batch in _batches(path):
        batch.validate(full=True)
        columns = columns or choose_columns(given, batch.schema.names, str(path))
        table = batch.select(sorted(set(columns.values())))
        for values in table.to_pylist():
            yield _arrow_entry({role: values[column] for role, column in columns.items()}, f"{name}/{row}", split)
            row += 1


def _batches(path: Path) -> Iterator[Any]:
    import pyarrow
    from pyarrow import parquet

    if path.suffix == ".parquet":
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=_BATCH_ROWS)
        return
    with pyarrow.memory_map(str(path)) as file:
        # `save_to_disk` writes streams; other tools write files with an index.
        has_index = file.read(6) == b"ARROW1"
        file.seek(0)
        opened = pyarrow.ipc.open_file(file) if has_index else pyarrow.ipc.open_stream(file)
        batches = map(opened.get_batch, range(opened.num_record_batches)) if has_index else opened
        for batch in batches:
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                yield batch.slice(start, _BATCH_ROWS)


def _arrow_entry(values: Mapping[str, Any], name: str, split: str) -> Entry | Skip:
    image = values["image"]
    if isinstance(image, Mapping):
        image = image.get("bytes")
    if not isinstance(image, bytes):
        return Skip(name, "image is not in the table")
    if not isinstance(values["text"], str):
        return Skip(name, "text is no text")
    found = {role: "" if values.get(role) is None else str(values[role]) for role in ("id", "writer", "split")}
    return Entry(found["id"] or name, image, values["text"], found["writer"], found["split"] or split)


HUGGING_FACE = Format(
    "hugging_face", parse_hugging_face, "A Hugging Face data set with an image column.", options=COLUMN_OPTIONS
)
