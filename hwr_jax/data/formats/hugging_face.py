"""Hugging Face data sets with an image column: what `save_to_disk` wrote (Arrow files), or parquet files.

They are read with pyarrow alone, a batch of rows at a time (`pip install -e '.[hugging_face]'`).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hwr_jax.data.archives import Tree, walk_files
from hwr_jax.data.formats.base import Format, TellTotal, ignore_total
from hwr_jax.data.formats.entries import Entry, is_image, read_entries
from hwr_jax.data.formats.image_paths import ImagePaths
from hwr_jax.data.formats.manifest import COLUMN_OPTIONS, choose_columns
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import split_named
from hwr_jax.errors import InputError

_ARROW_SUFFIXES = (".arrow", ".parquet")
_BATCH_ROWS = 32


def parse_hugging_face(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, **columns: str
) -> Iterator[Sample | Skip]:
    """The rows of a data set that holds its images, or their paths as `ImagePaths` reads them.

    Ids are "FILE/ROW", or what the id column holds. Without a writer column every row is a writer of its own. A folder
    or file that is named as a split (train/, test-00000-of-00001.parquet) gives it.

    Args:
      source: a folder that `save_to_disk` wrote, a folder with parquet files, or one such file.
      **columns: as `hwr_jax.data.formats.manifest.parse_manifest` takes them.

    Raises:
      InputError: pyarrow is not installed; the source is missing, damaged, or holds no images and texts.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise InputError("hugging_face: needs pyarrow; pip install 'hwr_jax[hugging_face]'") from error
    names = _find_files(source)

    def entries() -> Iterator[Entry | Skip]:
        for name in names:
            path = source / name if source.is_dir() else source
            tree = Tree(source if source.is_dir() else source.parent, is_image)
            try:
                yield from _arrow_entries(path, name, columns, tree)
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
    found = [file.name for file in walk_files(source) if file.name.endswith(_ARROW_SUFFIXES)]
    # What the library keeps beside the data of steps it once did.
    names = sorted(name for name in found if not PurePosixPath(name).name.startswith(("cache-", "tmp")))
    if not names:
        raise InputError(f"{source}: no .arrow or .parquet files in it; give a folder that save_to_disk wrote")
    return names


def _arrow_entries(path: Path, name: str, given: Mapping[str, str], tree: Tree) -> Iterator[Entry | Skip]:
    parts = re.split(r"[/\-.]", name)
    split = next((part for part in parts if split_named(part)), "")
    columns: dict[str, str] = {}
    paths = ImagePaths(tree, str(PurePosixPath(name).parent))
    row = 0
    for batch in _batches(path):
        batch.validate(full=True)
        columns = columns or choose_columns(given, batch.schema.names, str(path))
        table = batch.select(sorted(set(columns.values())))
        for values in table.to_pylist():
            found = {role: values[column] for role, column in columns.items()}
            yield _arrow_entry(found, f"{name}/{row}", split, tree, paths)
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


def _arrow_entry(values: Mapping[str, Any], name: str, split: str, tree: Tree, paths: ImagePaths) -> Entry | Skip:
    image = values["image"]
    if isinstance(image, Mapping):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, str):
        found = paths.find(image)
        image = tree.content(found) if found else None
        if image is None:
            return Skip(name, "image: the table holds its path alone, and there is no such file")
    if not isinstance(image, bytes | Path):
        return Skip(name, "image is not in the table")
    if not isinstance(values["text"], str):
        return Skip(name, "text is no text")
    told = {role: "" if values.get(role) is None else str(values[role]) for role in ("id", "writer", "split")}
    return Entry(told["id"] or name, image, values["text"], told["writer"], told["split"] or split)


FORMAT = Format(
    "hugging_face", parse_hugging_face, "A Hugging Face data set with an image column.", options=COLUMN_OPTIONS
)
