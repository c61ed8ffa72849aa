"""Benchmarks of the field: which samples, which splits, and what to say beside a number."""

import dataclasses
from collections.abc import Mapping

from hwr_jax.errors import InputError
from hwr_jax.messages import suggest


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A data set with the splits by which papers compare.

    Attributes:
      name: what `hwr benchmark` calls it.
      title: for tables.
      format: of `hwr_jax.data.formats.table.FORMATS`; it is prepared as FORMAT/NAME with these options.
      options: of the format.
      split: the value of `data.split`, see `hwr_jax.data.splits`; "given": the source's own.
      other_splits: further ones in circulation, by the names that --split takes.
      config: the recipe, where no other is asked for.
      samples: how many the papers count in train, validation and test, by split; empty where they do not say.
      source: how to get the data.
      notes: what to know before comparing, in sentences.
    """

    name: str
    title: str
    format: str
    config: str
    source: str
    options: Mapping[str, str | bool] = dataclasses.field(default_factory=dict)
    split: str = "given"
    other_splits: tuple[str, ...] = ()
    samples: Mapping[str, tuple[int, int, int]] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def data(self) -> str:
        """The name of its prepared data set."""
        return f"{self.format}/{self.name}"

    def choose_split(self, split: str) -> str:
        """The split rule of that name, "" for the first. Raises InputError: it has none of that name."""
        names = (self.split, *self.other_splits)
        if split and split not in names:
            raise InputError(f"--split={split}: {self.name} has {', '.join(names)}")
        return split or self.split


_IAM = "register at fki.tic.heia-fr.ch/databases/iam-handwriting-database; {files}"
_LINE_NOTE = "The lines that IAM marks err are kept, as papers keep them: the mark is of words within them."

BENCHMARKS = {
    one.name: one
    for one in (
        Benchmark(
            "iam_words",
            "IAM words",
            "iam_words",
            "iam_words_large",
            _IAM.format(files="ascii/ and words.tgz"),
            split="iam_aachen",
            notes=("Words that IAM marks err are left out, as their images may be wrong; papers differ in this.",),
        ),
        Benchmark(
            "iam_lines",
            "IAM lines",
            "iam_lines",
            "iam_lines_large",
            _IAM.format(files="ascii/ and lines.tgz"),
            options={"keep_err": True},
            split="iam_aachen",
            other_splits=("iam_aachen_lines", "iam_large_writer_independent"),
            samples={
                "iam_aachen": (6482, 976, 2915),
                "iam_aachen_lines": (6161, 966, 2915),
                "iam_large_writer_independent": (6161, 1840, 1861),
            },
            notes=(_LINE_NOTE, "Punctuation is a word of its own in IAM's texts, so it counts in both WERs."),
        ),
        Benchmark(
            "rimes",
            "RIMES 2011 lines",
            "rimes_pages",
            "copiste_lines_large",
            "teklia.com/research/rimes-database: the lines of ICDAR 2011, with training_2011.xml and "
            "eval_2011_annotated.xml",
            samples={"given": (10188, 1145, 778)},
            notes=("The competition has no validation split. Here it is a tenth of the training letters by a hash of "
                   "their names; papers draw their own tenth, so that training differs a little.",),
        ),
        Benchmark(
            "read2016",
            "READ 2016 lines",
            "page_lines",
            "copiste_lines_large",
            "zenodo.org/records/1297399: Train-And-Val-ICFHR-2016.tgz and Test-ICFHR-2016.tgz, in one folder",
            split="read2016",
            samples={"read2016": (8349, 1040, 1138)},
        ),
        Benchmark(
            "bentham",
            "Bentham R0 lines (ICFHR 2014)",
            "bentham",
            "copiste_lines_large",
            "zenodo.org/records/44519: BenthamDatasetR0-GT",
            samples={"given": (9198, 1415, 860)},
            notes=("Marks of a gap are dropped from the texts, and entities of HTML are resolved.",),
        ),
        Benchmark(
            "washington",
            "George Washington lines",
            "washington",
            "copiste_lines_large",
            "fki.tic.heia-fr.ch/databases/washington-database: washingtondb-v1.0",
            samples={"given": (325, 168, 163)},
            notes=("One writer, whole pages: the test pages are the same writer's. The first of four folds.",),
        ),
    )
}  # fmt: skip


def find_benchmark(name: str) -> Benchmark:
    """The benchmark of that name. Raises InputError: there is none."""
    if name not in BENCHMARKS:
        raise InputError(f"no benchmark {name!r}; {suggest(name, BENCHMARKS, 'there are')}")
    return BENCHMARKS[name]
