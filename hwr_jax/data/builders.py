"""tensorflow-datasets builders of our data sets; TensorFlow itself is not needed.

    from hwr_jax.data.builders import UnipenWords
    builder = UnipenWords(data_dir="...", source="unipen.tar.xz", workers=2)
    builder.download_and_prepare()
    builder.as_data_source("train")[0]  # {"image": ..., "text": ..., "writer": ..., "id": ...}

`hwr_jax.data.prepared.prepare` does the same under a lock, without TFDS's messages.
"""

import collections
import contextlib
import dataclasses
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from hwr_jax.data.names import SYNTHETIC, Options, SyntheticParams, read_data
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import SPLIT_RULE, SPLITS, hash_of_ids, split_of
from hwr_jax.data.spool import Spool
from hwr_jax.errors import InputError
from hwr_jax.files import write_text

SUMMARY_FILE = "summary.json"
SKIPPED_FILE = "skipped.json"
LISTED_FILE = "listed.txt"
GIVEN_SPLITS_FILE = "given_splits.json"
Progress = Callable[[int, int | None], None]
_SYNTHETIC_CONFIG_NAME = re.compile(r"writers(\d+)_words(\d+)_seed(\d+)")


class _LocalInfo(tfds.core.DatasetInfo):
    """Of a data set that is prepared here and nowhere else."""

    def initialize_from_bucket(self) -> None:
        """Looks for nothing on the network, and leaves no temporary folder."""


class WordsBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Labelled images in the splits of `hwr_jax.data.splits`.

    Beside the records lie summary.json (counts, hashes of ids, reasons of skips), skipped.json (id -> reason),
    listed.txt (ids in the source's own order, those of unreadable images too) and, if the source says which split a
    sample is in, given_splits.json (id -> split). A split without samples is left out, since TFDS knows no empty
    splits.

    A user's own name for a data set, as in "manifest/letters", is the name of its TFDS config.
    """

    VERSION = tfds.core.Version("1.1.0")
    SUMMARY: ClassVar[str] = ""
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
        """As TFDS's, and what preparing needs; reading needs none of it.

        Args:
          source: path of the raw data.
          options: of the reader, such as the names of columns.
          workers: processes; the prepared data do not depend on it.
          progress: called with the number of samples read, and of those there are if known.
          **kwargs: of tfds.core.GeneratorBasedBuilder.
        """
        self._source = None if source is None else Path(source)
        self._options = dict(options or {})
        self._workers = workers
        self._progress = progress
        self._total: int | None = None
        self._spool_files = contextlib.ExitStack()
        super().__init__(**{"file_format": "array_record", **kwargs})

    def download_and_prepare(self, **kwargs: Any) -> None:
        """See tfds.core.DatasetBuilder.

        Raises:
          InputError: the source is not what it says, or holds no usable sample.
        """
        with self._spool_files:
            super().download_and_prepare(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
                "text": tfds.features.Text(),
                "writer": tfds.features.Text(),
                "id": tfds.features.Text(),
            }
        )
        return _LocalInfo(builder=self, description=self.SUMMARY, features=features, supervised_keys=("image", "text"))

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[str, Any]]]:
        samples = read_data(
            self.name,
            self._source,
            options=self._options,
            workers=self._workers,
            synthetic=self._synthetic_params(),
            tell_total=self._tell_total,
        )
        # TFDS asks for one split after the other; the raw data are read once.
        folder = Path(self.data_dir)
        spools = {split: Spool(folder, self._spool_files) for split in SPLITS}
        given: dict[str, str] = {}
        skipped, listed = _sort_into(spools, self._report(_note_splits(samples, given)))
        if not any(spool.ids for spool in spools.values()):
            raise InputError(
                f"{self._source}: no usable sample; {describe_skips(collections.Counter(skipped.values()))}"
            )
        self._write_summary(spools, skipped)
        if given:
            write_text(folder / GIVEN_SPLITS_FILE, json.dumps(given, indent=1, ensure_ascii=False) + "\n")
        write_text(folder / LISTED_FILE, "".join(f"{sample_id}\n" for sample_id in listed))
        return {split: self._generate_examples(spool) for split, spool in spools.items() if spool.ids}

    def _generate_examples(self, spool: Spool) -> Iterator[tuple[str, Any]]:
        for sample in spool:
            image = io.BytesIO(sample.image_bytes())
            yield sample.id, {"image": image, "text": sample.text, "writer": sample.writer, "id": sample.id}

    def _synthetic_params(self) -> SyntheticParams | None:
        return None

    def _has_own_name(self) -> bool:
        return self.builder_config is not None and self._synthetic_params() is None

    def _tell_total(self, total: int) -> None:
        self._total = total

    def _report(self, samples: Iterable[Sample | Skip]) -> Iterator[Sample | Skip]:
        for done, sample in enumerate(samples, start=1):
            yield sample
            if self._progress is not None:
                self._progress(done, self._total)

    def _write_summary(self, spools: dict[str, Spool], skipped: dict[str, str]) -> None:
        params = self._synthetic_params()
        summary = {
            "name": f"{self.name}/{self.builder_config.name}" if self._has_own_name() else self.name,
            "version": str(self.version),
            "source": fingerprint(self._source) if self._source is not None else None,
            "params": None if params is None else dataclasses.asdict(params),
            "options": self._options,
            "split_rule": SPLIT_RULE,
            "splits": {
                split: {"samples": len(spool.ids), "writers": len(spool.writers), "ids_sha256": hash_of_ids(spool.ids)}
                for split, spool in spools.items()
            },
            "characters": "".join(sorted(set().union(*(spool.characters for spool in spools.values())))),
            "skipped": dict(collections.Counter(skipped.values()).most_common()),
        }
        for name, content in ((SUMMARY_FILE, summary), (SKIPPED_FILE, skipped)):
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            Path(self.data_dir, name).write_text(text, encoding="utf-8")


class UnipenWords(WordsBuilder):
    """See `hwr_jax.data.formats.unipen`."""

    SUMMARY = "UNIPEN words (category 7) as images drawn from their pen strokes."


class UnipenLines(WordsBuilder):
    """See `hwr_jax.data.formats.unipen_lines`."""

    SUMMARY = "UNIPEN lines (category 8, and words of category 7 joined) as images drawn from their pen strokes."


class IamWords(WordsBuilder):
    """See `hwr_jax.data.formats.iam`."""

    SUMMARY = "Words of the IAM handwriting database."


class IamLines(WordsBuilder):
    """See `hwr_jax.data.formats.iam`."""

    SUMMARY = "Lines of the IAM handwriting database."


class IamSentences(WordsBuilder):
    """See `hwr_jax.data.formats.iam`."""

    SUMMARY = "Sentences of the IAM handwriting database, line by line."


class RimesLines(WordsBuilder):
    """See `hwr_jax.data.formats.rimes`."""

    SUMMARY = "Line images named by a text list, as those of RIMES."


class CopisteLines(WordsBuilder):
    """See `hwr_jax.data.formats.copiste`."""

    SUMMARY = "Lines of Copiste d'un jour (BAnQ), CC BY 4.0."


class AltoLines(WordsBuilder):
    """See `hwr_jax.data.formats.alto`."""

    SUMMARY = "Lines of pages described by ALTO files."


class PageLines(WordsBuilder):
    """See `hwr_jax.data.formats.page_xml`."""

    SUMMARY = "Lines of pages described by PAGE XML files."


class Manifest(WordsBuilder):
    """See `hwr_jax.data.formats.manifest`."""

    SUMMARY = "Images listed in a table."


class Pairs(WordsBuilder):
    """See `hwr_jax.data.formats.pairs`."""

    SUMMARY = "Images with a text file beside each."


class HuggingFace(WordsBuilder):
    """See `hwr_jax.data.formats.hugging_face`."""

    SUMMARY = "A Hugging Face data set with an image column."


def synthetic_config_name(params: SyntheticParams) -> str:
    """The TFDS config with those parameters, for example "writers200_words50_seed0"."""
    return f"writers{params.writers}_words{params.words_per_writer}_seed{params.seed}"


@dataclasses.dataclass
class SyntheticConfig(tfds.core.BuilderConfig):
    """A TFDS config that carries the parameters its name spells out."""

    params: SyntheticParams = dataclasses.field(default_factory=SyntheticParams)


def _synthetic_config(params: SyntheticParams) -> SyntheticConfig:
    return SyntheticConfig(name=synthetic_config_name(params), description="Synthetic writers.", params=params)


class Synthetic(WordsBuilder):
    """See `hwr_jax.data.formats.synthetic`. Each choice of parameters is a config, named by `synthetic_config_name`."""

    SUMMARY = "Words written by synthetic writers."
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [_synthetic_config(SyntheticParams())]

    @classmethod
    def get_builder_config(cls, name: str, version: Any = None) -> tfds.core.BuilderConfig | None:
        """The config of any name that spells out parameters, not only of the default ones."""
        match = _SYNTHETIC_CONFIG_NAME.fullmatch(name)
        if match is None:
            return None
        params = SyntheticParams(*map(int, match.groups()))
        return cls.BUILDER_CONFIGS[0] if params == SyntheticParams() else _synthetic_config(params)

    def _synthetic_params(self) -> SyntheticParams:
        assert isinstance(self.builder_config, SyntheticConfig)
        return self.builder_config.params


BUILDERS: dict[str, type[WordsBuilder]] = {
    SYNTHETIC: Synthetic,
    "unipen_words": UnipenWords,
    "unipen_lines": UnipenLines,
    "iam_words": IamWords,
    "iam_lines": IamLines,
    "iam_sentences": IamSentences,
    "rimes_lines": RimesLines,
    "copiste_lines": CopisteLines,
    "alto_lines": AltoLines,
    "page_lines": PageLines,
    "manifest": Manifest,
    "pairs": Pairs,
    "hugging_face": HuggingFace,
}


def fingerprint(source: Path) -> dict[str, Any]:
    """Enough of a source to notice that it is another one: its name, and its size or its entries' names and sizes."""
    if source.is_dir():
        entries = sorted((entry.name, entry.stat().st_size if entry.is_file() else -1) for entry in source.iterdir())
        return {
            "name": source.resolve().name,
            "entries_sha256": hash_of_ids(f"{name} {size}" for name, size in entries),
        }
    return {"name": source.name, "bytes": source.stat().st_size}


def describe_skips(reasons: Mapping[str, int]) -> str:
    """Counts by reason in one line, for example "679 quality BAD, 2 no ink"."""
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.items()) or "nothing in it"


def _note_splits(samples: Iterable[Sample | Skip], given: dict[str, str]) -> Iterator[Sample | Skip]:
    """Notes the splits that the source gives, id -> split."""
    for sample in samples:
        if isinstance(sample, Sample) and sample.split:
            given.setdefault(sample.id, sample.split)
        yield sample


def _sort_into(spools: dict[str, Spool], samples: Iterable[Sample | Skip]) -> tuple[dict[str, str], list[str]]:
    """Spools each sample to its split; returns id -> reason of the rest, and the ids in the source's order."""
    skipped: dict[str, str] = {}
    seen: set[str] = set()
    listed: list[tuple[int, str]] = []
    for count, sample in enumerate(samples):
        if isinstance(sample, Sample) or sample.position is not None:
            listed.append((count if sample.position is None else sample.position, sample.id))
        if isinstance(sample, Skip):
            skipped[sample.id] = sample.reason
        elif sample.id in seen:
            skipped[sample.id] = "id occurs twice"
        else:
            seen.add(sample.id)
            spools[split_of(sample.writer)].add(sample)
    return skipped, [sample_id for _, sample_id in sorted(listed)]
