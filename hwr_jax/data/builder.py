"""A tensorflow-datasets builder for each data format; TensorFlow itself is not needed.

    from hwr_jax.data.builder import make_builder_class
    from hwr_jax.data.formats.table import FORMATS
    builder = make_builder_class(FORMATS["unipen_words"])(data_dir="...", source="unipen.tar.xz", workers=2)
    builder.download_and_prepare()
    builder.as_data_source("train")[0]  # {"image": ..., "text": ..., "writer": ..., "id": ...}

`hwr_jax.data.prepared.prepare` does the same under a lock, without TFDS's messages.
"""

import collections
import contextlib
import functools
import io
import json
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import tensorflow_datasets as tfds

from hwr_jax.data.formats.base import Format, Options, Progress
from hwr_jax.data.formats.table import read_data
from hwr_jax.data.sample import Sample, Skip, describe_skips, merge_reasons
from hwr_jax.data.splits import SPLIT_RULE, SPLITS, hash_of_ids, split_of
from hwr_jax.errors import InputError
from hwr_jax.files import write_text

VERSION = "1.1.0"
SUMMARY_FILE = "summary.json"
SKIPPED_FILE = "skipped.json"
LISTED_FILE = "listed.txt"
GIVEN_SPLITS_FILE = "given_splits.json"
WRITERS_FILE = "writers.json"


class _LocalInfo(tfds.core.DatasetInfo):
    """Of a data set that is prepared here and nowhere else."""

    def initialize_from_bucket(self) -> None:
        """Looks for nothing on the network, and leaves no temporary folder."""


class SamplesBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Labelled images of one format in the splits of `hwr_jax.data.splits`; see `make_builder_class`.

    Beside the records lie summary.json (counts, hashes of ids, reasons of skips), skipped.json (id -> reason),
    writers.json (id -> writer), listed.txt (ids in the source's own order, those of unreadable images too) and, if the
    source says which split a sample is in, given_splits.json (id -> split). A split without samples is left out, since
    TFDS knows no empty splits.

    A user's own name for a data set, as in "manifest/letters", is the name of its TFDS config.
    """

    VERSION = tfds.core.Version(VERSION)
    FORMAT: ClassVar[Format]
    # Nothing is downloaded. TFDS would look for checksums, by way of a package it forgets to require (4.9.10).
    url_infos: ClassVar[None] = None

    def __init__(
        self,
        *,
        source: str | Path | None = None,
        options: Options | None = None,
        workers: int = 1,
        progress: Progress | None = None,
        **kwargs: Any,
    ) -> None:
        """As TFDS's, and what preparing needs, as `hwr_jax.data.prepared.prepare` takes it; reading needs nothing."""
        self._source = None if source is None else Path(source)
        self._options = dict(options or {})
        self._workers = workers
        self._progress = progress
        self._spool_files = contextlib.ExitStack()
        super().__init__(**{"file_format": "array_record", **kwargs})

    def download_and_prepare(self, **kwargs: Any) -> None:
        """See tfds.core.DatasetBuilder.

        Raises InputError if the source is not what it says, or holds no usable sample.
        """
        with self._spool_files:
            super().download_and_prepare(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(None, None, 1), encoding_format="png")
        texts = {name: tfds.features.Text() for name in ("text", "writer", "id")}
        return _LocalInfo(
            builder=self,
            description=self.FORMAT.summary,
            features=tfds.features.FeaturesDict({"image": image, **texts}),
            supervised_keys=("image", "text"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[str, Any]]]:
        # TFDS asks for one split after the other; the raw data are read once.
        folder = Path(self.data_dir)
        spools = {split: _Spool(folder, self._spool_files) for split in SPLITS}
        skipped: dict[str, str] = {}
        given: dict[str, str] = {}
        listed: list[tuple[int, str]] = []
        writers: dict[str, str] = {}
        samples = read_data(
            self._data_name,
            self._source,
            workers=self._workers,
            options=self._options,
            progress=self._progress,
            own=self.FORMAT,
        )
        for count, sample in enumerate(samples):
            if isinstance(sample, Sample) or sample.position is not None:
                listed.append((count if sample.position is None else sample.position, sample.id))
            if isinstance(sample, Skip):
                skipped[sample.id] = sample.reason
            elif sample.id in writers:
                skipped[sample.id] = "id occurs twice"
            else:
                writers[sample.id] = sample.writer
                spools[split_of(sample.writer)].add(sample)
                if sample.split:
                    given[sample.id] = sample.split
        if not writers:
            reasons = describe_skips(collections.Counter(skipped.values()))
            first = f" (the first is {next(iter(skipped))})" if skipped else ""
            raise InputError(f"{self._source}: no usable sample; {reasons}{first}")
        _write_json(folder / SUMMARY_FILE, self._summarize(spools, skipped))
        _write_json(folder / SKIPPED_FILE, skipped)
        _write_json(folder / WRITERS_FILE, writers)
        if given:
            _write_json(folder / GIVEN_SPLITS_FILE, given)
        write_text(folder / LISTED_FILE, "".join(f"{sample_id}\n" for _, sample_id in sorted(listed)))
        return {split: self._generate_examples(spool) for split, spool in spools.items() if spool.ids}

    def _generate_examples(self, spool: "_Spool") -> Iterator[tuple[str, Any]]:
        for sample in spool:
            image = io.BytesIO(sample.image_bytes())
            yield sample.id, {"image": image, "text": sample.text, "writer": sample.writer, "id": sample.id}

    @property
    def _data_name(self) -> str:
        return f"{self.name}/{self.builder_config.name}" if self.builder_config else self.name

    def _summarize(self, spools: dict[str, "_Spool"], skipped: dict[str, str]) -> dict[str, Any]:
        return {
            "name": self._data_name,
            "version": str(self.version),
            "source": fingerprint(self._source) if self._source is not None else None,
            "options": self._options,
            "split_rule": SPLIT_RULE,
            "splits": {
                split: {"samples": len(spool.ids), "writers": len(spool.writers), "ids_sha256": hash_of_ids(spool.ids)}
                for split, spool in spools.items()
            },
            "characters": "".join(sorted(set().union(*(spool.characters for spool in spools.values())))),
            "skipped": merge_reasons(collections.Counter(skipped.values())),
        }


@functools.cache
def make_builder_class(format: Format) -> type[SamplesBuilder]:
    """The builder of a format, one of a user's own too."""
    members = {"FORMAT": format, "name": format.name, "__doc__": SamplesBuilder.__doc__}
    return type(format.name, (SamplesBuilder,), members, skip_registration=True)


def fingerprint(source: Path) -> dict[str, Any]:
    """Enough of a source to notice that it is another one: its name, and its size or its entries' names and sizes."""
    if source.is_dir():
        entries = sorted((entry.name, entry.stat().st_size if entry.is_file() else -1) for entry in source.iterdir())
        return {
            "name": source.resolve().name,
            "entries_sha256": hash_of_ids(f"{name} {size}" for name, size in entries),
        }
    return {"name": source.name, "bytes": source.stat().st_size}


class _Spool:
    """Samples of a split, put aside in a nameless temporary file, which is gone however the process ends."""

    def __init__(self, folder: Path, files: contextlib.ExitStack) -> None:
        """Puts the file on the disk of `folder`, open until `files` is closed. Raises OSError if it cannot be made."""
        self.ids: list[str] = []
        self.writers: set[str] = set()
        self.characters: set[str] = set()
        self._folder = folder
        self._file: BinaryIO = files.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115

    def add(self, sample: Sample) -> None:
        """Appends a sample, its image read into the spool. Raises OSError if the disk is full."""
        fields = [sample.id.encode(), sample.text.encode(), sample.writer.encode(), sample.image_bytes()]
        try:
            self._file.write(struct.pack("<4Q", *map(len, fields)) + b"".join(fields))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._folder)) from error
        self.ids.append(sample.id)
        self.writers.add(sample.writer)
        self.characters.update(sample.text)

    def __iter__(self) -> Iterator[Sample]:
        self._file.seek(0)
        for _ in self.ids:
            sizes = struct.unpack("<4Q", self._file.read(32))
            sample_id, text, writer, image = (self._file.read(size) for size in sizes)
            yield Sample(sample_id.decode(), text.decode(), writer.decode(), image)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
