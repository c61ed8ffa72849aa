"""`python -m experiments.adapt_curve`: how much a few lines of a writer help, by their number."""

import collections
import dataclasses
import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.options import MODEL_HELP, Parser, run
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.data.sample import Sample

ROWS_FILE = "rows.jsonl"
_EPILOG = """example:
  python -m experiments.adapt_curve --model=copiste_lines_large --sources=manifest/timeus,manifest/peraire \\
      --forgotten=copiste_lines --output=runs/curve

The same command goes on where it was stopped: a row in rows.jsonl is not made again.
"""


@dataclasses.dataclass(frozen=True)
class Point:
    """One adaptation, to some lines of one source."""

    source: str  # name of a prepared data set
    lines: int  # that hwr adapt is given; 0: the model is measured as it is
    seed: int  # of the choice of lines

    @property
    def key(self) -> str:
        """As a name of a folder and of a data set."""
        return f"{self.source.replace('/', '-')}-{self.lines}-{self.seed}"


def main(argv: Sequence[str]) -> int:
    """Adapts a model to 5, 20, ... lines of each source, and reads other lines of that source before and after."""
    parser = Parser(prog="python -m experiments.adapt_curve", description=main.__doc__, epilog=_EPILOG)
    parser.add_argument("--model", required=True, metavar="NAME_OR_PATH", help=MODEL_HELP)
    parser.add_argument("--sources", required=True, metavar="NAME,...", help="prepared data sets, unseen by the model")
    parser.add_argument("--lines", default="5,20,50,200", metavar="N,...", help="how many (default 5,20,50,200)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="choices of lines (default 3)")
    parser.add_argument("--test", type=int, default=100, metavar="N", help="lines to read of each source (default 100)")
    parser.add_argument("--forgotten", default="", metavar="NAME", help="the model's own data, whose test is read too")
    parser.add_argument("--blend", type=float, metavar="SHARE", help="as of hwr adapt")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the folder to write")
    parser.add_argument("--data_dir", type=Path, metavar="DIR", help="holds prepared data (default: as hwr train)")
    options = parser.parse_args(argv)
    points = plan_points(options.sources.split(","), [int(count) for count in options.lines.split(",")], options.seeds)
    rows = load_rows(options.output)
    for point in points:
        if point.key not in rows:
            row = measure_point(point, options)
            with (options.output / ROWS_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": point.key, **row}) + "\n")
            rows[point.key] = row
    print(describe_rows(rows.values()))
    return 0


def plan_points(sources: Sequence[str], lines: Sequence[int], seeds: int) -> list[Point]:
    """All points; those of the first seed come first, so that a table that is cut short has all sources and numbers."""
    before = [Point(source, 0, 0) for source in sources]
    return before + [
        Point(source, count, seed) for seed, count, source in itertools.product(range(seeds), lines, sources)
    ]


def load_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """The rows that are there, by the keys of their points; a last one that is torn is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ROWS_FILE
    rows = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        rows[row.pop("key")] = row
    return rows


def measure_point(point: Point, options: Any) -> dict[str, Any]:
    """Adapts, and reads the source's test lines and the model's own: CERs, intervals, and minutes of the adaptation."""
    import hwr_jax
    from hwr_jax.data.prepared import default_data_dir
    from hwr_jax.training.load import load_model

    folder: Path = options.output
    test, pool = divide(load_lines(point.source, options.data_dir), options.test)
    # hwr adapt takes no others without being asked to widen the alphabet. Those to read are left as they are.
    known = load_model(options.model).alphabet
    pool = [sample for sample in pool if not known.outside(sample.text)]
    test_name = prepare_lines(folder, Point(point.source, 0, 0), test)
    model, minutes, outcome, step = options.model, 0.0, "", 0
    if point.lines:
        if point.lines > len(pool):
            raise InputError(
                f"data {point.source!r}: {len(pool)} lines beside the {len(test)} to read, not {point.lines}"
            )
        name = prepare_lines(folder, point, random.Random(point.seed).sample(pool, point.lines))
        started, cpu_started = time.monotonic(), time.process_time()
        how: dict[str, Any] = {"data_dir": folder / "data", "workers": 1}
        if options.blend is not None:
            how["blend"] = options.blend
        done = hwr_jax.adapt(options.model, name, folder / "runs" / point.key, **how)
        if done.status != "done":
            raise InputError(f"{point.key}: {done.status}: {done.message}; the same command goes on")
        minutes, outcome, step = (time.monotonic() - started) / 60, done.outcome, done.step
        cpu_minutes = (time.process_time() - cpu_started) / 60
        model = str(folder / "runs" / point.key)
    read = hwr_jax.evaluate(model, data=test_name, split="all", data_dir=folder / "data", workers=1, into_run=False)
    row = {**dataclasses.asdict(point), "cer": read.cer, "cer_interval": read.cer_interval, "wer": read.wer}
    if point.lines:
        row |= {"outcome": outcome, "step": step, "minutes": minutes, "cpu_minutes": cpu_minutes}
    if options.forgotten:
        # Not that of the lines, which an adapted model names as its own.
        data_dir = options.data_dir or default_data_dir()
        own = hwr_jax.evaluate(model, data=options.forgotten, data_dir=data_dir, workers=1, into_run=False)
        row["forgotten"] = own.cer
    return row


def load_lines(name: str, data_dir: Path | None) -> "list[Sample]":
    """All samples of a prepared data set, in an order drawn once and for all."""
    from hwr_jax.data.prepared import load_all

    samples = sorted(load_all(name, data_dir), key=lambda sample: sample.id)
    random.Random(0).shuffle(samples)
    return samples


def divide(samples: "Sequence[Sample]", test: int) -> "tuple[Sequence[Sample], Sequence[Sample]]":
    """The lines to read, and those to choose from, which are of other writers if there are several."""
    left = collections.Counter(sample.writer for sample in samples)
    if len(left) == 1:
        return samples[:test], samples[test:]
    held: set[str] = set()
    while left and sum(sample.writer in held for sample in samples) < test:
        writer = next(iter(left))
        held.add(writer)
        del left[writer]
    return [one for one in samples if one.writer in held][:test], [one for one in samples if one.writer not in held]


def prepare_lines(folder: Path, point: Point, samples: "Sequence[Sample]") -> str:
    """Prepares samples as a data set of their own, as a user's table of images, texts and writers; returns its name."""
    from hwr_jax.data.prepared import prepare
    from hwr_jax.files import write_text

    raw = folder / "lines" / point.key
    raw.mkdir(parents=True, exist_ok=True)
    table = []
    for number, sample in enumerate(samples):
        image = f"{number:04d}.png"
        (raw / image).write_bytes(sample.image_bytes())
        table.append(json.dumps({"image": image, "text": sample.text, "writer": sample.writer}) + "\n")
    write_text(raw / "lines.jsonl", "".join(table))
    return prepare(f"manifest/{point.key}", raw, folder / "data").name


def describe_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """A table in Markdown: source, lines, CER of each seed and their mean, minutes, and the CER of the model's own."""
    from hwr_jax.reports.tables import markdown_table, show_percent

    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["source"], row["lines"]), []).append(row)
    head = (
        "source",
        "lines",
        "CER, mean",
        "CER of each choice of lines",
        "minutes (of the CPU)",
        "CER of its own data",
    )
    table: list[Sequence[str]] = [head]
    for (source, lines), found in sorted(groups.items()):
        of_each = ", ".join(show_percent(row["cer"]) + " kept" * (row.get("outcome") == "kept") for row in found)
        minutes = "-"
        if lines:
            wall, cpu = (statistics.fmean(row[name] for row in found) for name in ("minutes", "cpu_minutes"))
            minutes = f"{wall:.1f} ({cpu:.1f})"
        own = [row["forgotten"] for row in found if "forgotten" in row]
        forgotten = show_percent(statistics.fmean(own) if own else None)
        mean = show_percent(statistics.fmean(row["cer"] for row in found))
        table.append((source, f"{lines}", mean, of_each, minutes, forgotten))
    return markdown_table(table, right=(1, 2, 4, 5))


if __name__ == "__main__":
    sys.exit(run("experiments.adapt_curve", main, sys.argv[1:], program=""))
