"""Data sets prepared once and read at random: TFDS folders with their summary, made safely and looked up by name."""

import contextlib
import dataclasses
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import tensorflow_datasets as tfds

from hwr_jax.cache import cache_folder
from hwr_jax.data import builder
from hwr_jax.data.formats.base import Format, Options, Progress
from hwr_jax.data.formats.synthetic import SYNTHETIC, SyntheticParams
from hwr_jax.data.formats.table import OWN_NAME, check_data_name, check_options, format_of
from hwr_jax.data.sample import Sample
from hwr_jax.data.splits import SPLIT_RULE, SPLITS
from hwr_jax.errors import InputError

_BATCH_SAMPLES = 512


@dataclasses.dataclass(frozen=True)
class SplitSummary:
    """What a split holds; `ids_sha256` is `hwr_jax.data.splits.hash_of_ids` of its samples."""

    samples: int
    writers: int | None  # None where they are not known
    ids_sha256: str


@dataclasses.dataclass(frozen=True)
class PreparedInfo:
    """A prepared data set: what its summary.json says, and where it lies."""

    name: str  # of the data set
    version: str  # of the builder
    folder: Path  # where it lies
    source: dict[str, Any] | None  # name and size of the raw data, None for synthetic data
    split_rule: str  # see `hwr_jax.data.splits`
    splits: dict[str, SplitSummary]  # by name; a split may be empty
    characters: str  # all that occur in its texts, in code point order
    skipped: dict[str, int]  # reason -> count; the ids are in skipped.json in the folder
    options: dict[str, str | bool]  # of the format, as given
    gives_splits: bool  # the source says which split a sample is in (`data.split` "given")
    reused: bool  # it was there already


class PreparedSplit(Sequence[Sample]):
    """The samples of a prepared split, read from disk when they are asked for; images stay encoded."""

    def __init__(self, records: Sequence[Any]) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: Any) -> Any:
        chosen = range(len(self))[index]
        return self.read(chosen) if isinstance(chosen, range) else self.read([chosen])[0]

    def __iter__(self) -> Iterator[Sample]:
        for start in range(0, len(self), _BATCH_SAMPLES):
            yield from self[start : start + _BATCH_SAMPLES]

    def read(self, indices: Sequence[int]) -> list[Sample]:
        """Several samples at once, which is faster than one at a time."""
        records = self._records.__getitems__(list(indices)) if indices else []  # type: ignore[attr-defined]
        return [Sample(r["id"].decode(), r["text"].decode(), r["writer"].decode(), r["image"]) for r in records]


def default_data_dir() -> Path:
    """$HWR_JAX_DATA_DIR, else hwr_jax/data in the user's cache folder."""
    chosen = os.environ.get("HWR_JAX_DATA_DIR")
    return Path(chosen) if chosen else cache_folder("data")


def prepare(
    name: str,
    source: Path | None,
    data_dir: Path | None = None,
    *,
    workers: int = 1,
    options: Options | None = None,
    format: Format | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> PreparedInfo:
    """Reads the raw data once and writes the prepared data set, or finds it already there.

    The folder appears whole or not at all, so preparing may be interrupted and started again at any time. One process
    prepares a data set at a time; others wait for it and use what it made.

    Args:
      name: of a format in `hwr_jax.data.formats.table.FORMATS` or of your own, or such a name, a slash and a name for
        the data set. Synthetic data of other than the default parameters: `SyntheticParams.data_name`.
      source: path of the raw data; None for synthetic data, or to accept what is prepared whatever its source.
      data_dir: holds all prepared data sets; None is `default_data_dir()`.
      workers: processes; the result does not depend on it.
      format: of your own. What it has prepared is found by its name later on, without it.
      progress: called with the number of samples read, and of those there are if known.
      say: called with a line when there is something to wait for.

    Raises:
      InputError: no such data set or option, a source that is not what it says, or a source or options that differ
        from those of what is already prepared.
      OSError: the disk is full or cannot be written to.
    """
    root = data_dir or default_data_dir()
    if format is None and format_of(name) is None and not overwrite and (found := find_prepared(name, root)):
        return _check_source(found, source, options)
    format = check_data_name(name, format)
    check_options(format, options or {})
    folder = _folder(name, root)
    file_name = name.replace("/", ".") if format.needs_source else format.name

    def find() -> PreparedInfo | None:
        found = None if overwrite else _read_summary(folder)
        return found and _check_source(found, source, options)

    if found := find():
        return found
    with _lock(root / f".{file_name}.lock", say):
        if found := find():
            return found
        with _scratch_folder(root / f".{file_name}.preparing") as scratch:
            config_name = _config_name(name)
            config = tfds.core.BuilderConfig(name=config_name, description=format.summary) if config_name else None
            given: Any = {"source": source, "options": options, "workers": workers, "progress": progress}
            maker = builder.make_builder_class(format)(data_dir=scratch, config=config, **given)
            _run(maker, scratch)
            if folder.exists():
                folder.rename(scratch / "replaced")
            folder.parent.mkdir(parents=True, exist_ok=True)
            Path(maker.data_dir).rename(folder)
    made = _read_summary(folder)
    assert made is not None
    return dataclasses.replace(made, reused=False)


def find_prepared(name: str, data_dir: Path | None = None) -> PreparedInfo | None:
    """The prepared data set of that name, None if there is none.

    Raises InputError if no data set has that name, or its summary is damaged or names another split rule.
    """
    return _read_summary(_find_folder(name, data_dir))


def prepared_names(data_dir: Path | None = None) -> list[str]:
    """The names of all prepared data sets of this version, in alphabetical order."""
    found = (data_dir or default_data_dir()).glob(f"**/{builder.VERSION}/{builder.SUMMARY_FILE}")
    return sorted(json.loads(path.read_text(encoding="utf-8"))["name"] for path in found)


def load_prepared(name: str, split: str, data_dir: Path | None = None) -> PreparedSplit:
    """The samples of a prepared split, perhaps none, in an order that depends on their ids alone.

    Raises InputError if there is no such data set or split, or it is not prepared.
    """
    if split not in SPLITS:
        raise InputError(f"split {split!r}: no such split; the splits are {', '.join(SPLITS)}")
    info = find_prepared(name, data_dir)
    if info is None:
        format = format_of(name)
        what = f"{name} --source=PATH" if format is None or format.needs_source else format.name
        raise InputError(
            f"data {name!r}: not prepared in {data_dir or default_data_dir()}; run hwr data prepare {what}"
        )
    if not info.splits[split].samples:
        return PreparedSplit([])
    return open_split(info.folder, split)


def load_all(name: str, data_dir: Path | None = None) -> Iterator[Sample]:
    """The samples of all splits, one after the other. Raises InputError as `load_prepared` does."""
    for split in SPLITS:
        yield from load_prepared(name, split, data_dir)


def open_split(folder: Path, split: str) -> PreparedSplit:
    """A split, not an empty one, of the data set prepared in a folder."""
    maker = tfds.builder_from_directory(folder)
    return PreparedSplit(maker.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()}))


def load_listed(name: str, data_dir: Path | None = None) -> list[str]:
    """Ids of a prepared data set in its source's own order, those of images that cannot be read too."""
    path = _find_folder(name, data_dir) / builder.LISTED_FILE
    return path.read_text(encoding="utf-8").splitlines()


def load_given_splits(name: str, data_dir: Path | None = None) -> dict[str, str]:
    """id -> split, as the source of a prepared data set gives them. Raises InputError if it gives none."""
    path = _find_folder(name, data_dir) / builder.GIVEN_SPLITS_FILE
    if not path.exists():
        raise InputError(f"data.split='given': the source of {name!r} gives no splits; use 'writer', or lists of ids")
    return json.loads(path.read_text(encoding="utf-8"))


def load_writers(name: str, data_dir: Path | None = None) -> dict[str, str]:
    """id -> writer of all samples; {} of a data set that an older version prepared."""
    path = _find_folder(name, data_dir) / builder.WRITERS_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def load_skipped(name: str, data_dir: Path | None = None) -> dict[str, str]:
    """id -> reason of what was left out when the data set was prepared; empty if it is not prepared."""
    info = find_prepared(name, data_dir)
    return json.loads((info.folder / builder.SKIPPED_FILE).read_text(encoding="utf-8")) if info else {}


def _config_name(name: str) -> str:
    return SyntheticParams().data_name.partition("/")[2] if name == SYNTHETIC else name.partition("/")[2]


def _folder(name: str, root: Path) -> Path:
    """Where TFDS puts a data set."""
    return root / name.partition("/")[0] / _config_name(name) / builder.VERSION


def _find_folder(name: str, data_dir: Path | None) -> Path:
    """Where a data set lies. One that is there may be of a format that only its user has.

    Raises InputError if no data set has that name.
    """
    folder = _folder(name, data_dir or default_data_dir())
    if format_of(name) or not OWN_NAME.fullmatch(name) or not (folder / builder.SUMMARY_FILE).exists():
        check_data_name(name)
    return folder


def _run(maker: builder.SamplesBuilder, scratch: Path) -> None:
    # TFDS wants a folder for downloads, of which there are none, and prints to stdout.
    with contextlib.redirect_stdout(io.StringIO()):
        tfds.display_progress_bar(enable=False)
        try:
            maker.download_and_prepare(download_dir=scratch / "downloads")
        except RuntimeError as error:
            # What ArrayRecord makes of a full disk.
            if "write() failed" not in str(error):
                raise
            raise OSError(f"cannot write the prepared data: {' '.join(str(error).split())}") from error
        finally:
            tfds.display_progress_bar(enable=True)


@contextlib.contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    """An empty folder for the time of the block, whatever a process that died has left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_source(info: PreparedInfo, source: Path | None, options: Options | None) -> PreparedInfo:
    if options and dict(options) != info.options:
        before = " ".join(f"--{name}={value}" for name, value in info.options.items()) or "none"
        raise InputError(
            f"{info.folder}: was prepared with other options ({before}); use another name (such as "
            f"{info.name.partition('/')[0]}/other), or --overwrite"
        )
    if source is None or info.source is None:
        return info
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    if builder.fingerprint(source) != info.source:
        raise InputError(
            f"{source}: not what {info.folder} was prepared from ({info.source['name']}); "
            "use another --data_dir, or --overwrite"
        )
    return info


def _read_summary(folder: Path) -> PreparedInfo | None:
    path = folder / builder.SUMMARY_FILE
    if not path.exists():
        return None
    try:
        summary = {"options": {}, **json.loads(path.read_text(encoding="utf-8"))}
        names = ("name", "version", "source", "split_rule", "characters", "skipped", "options")
        fields = {name: summary[name] for name in names}
        splits = {split: SplitSummary(**values) for split, values in summary["splits"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged; prepare the data anew with --overwrite") from error
    if summary["split_rule"] != SPLIT_RULE:
        raise InputError(f"{folder}: split by another rule ({summary['split_rule']}); prepare anew with --overwrite")
    gives_splits = (folder / builder.GIVEN_SPLITS_FILE).exists()
    return PreparedInfo(**fields, folder=folder, splits=splits, gives_splits=gives_splits, reused=True)


@contextlib.contextmanager
def _lock(path: Path, say: Callable[[str], None] | None) -> Iterator[None]:
    """Held by one process at a time; the system takes it back from a process that dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        held = lock.acquire(timeout=0)
    except filelock.Timeout:
        if say is not None:
            say(f"waiting for another process that prepares it in {path.parent}")
        held = lock.acquire()
    with held:
        yield
