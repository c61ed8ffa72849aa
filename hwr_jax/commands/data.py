"""`hwr data prepare` reads a raw data set once and for all; `hwr data show` draws a sheet of its samples."""

import argparse
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.main import run
from hwr_jax.commands.options import Parser
from hwr_jax.commands.progress import ProgressLine
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.data.names import SyntheticParams
    from hwr_jax.data.prepared import PreparedInfo
    from hwr_jax.data.sample import Sample

_EXAMPLES = """examples:
  hwr data prepare unipen_words --source=unipen.tar.xz
  hwr data prepare iam_words --source=iam/           (holds words.txt, words/ and best forms.txt)
  hwr data prepare synthetic                         (needs no source)
  hwr data show unipen_words --split=test --output=sheet.png
  hwr data show iam_words --source=iam/ --output=sheet.png
"""


def main(argv: Sequence[str]) -> int:
    """Runs `hwr data ...`. Returns the exit status.

    Raises:
      InputError: wrong flags, or data that are not what they should be.
      OSError: something cannot be read or written.
    """
    args = _parser().parse_args(argv)
    if args.workers < 1:
        raise InputError(f"--workers={args.workers}: must be at least 1")
    return _prepare(args) if args.action == "prepare" else _show(args)


def _parser() -> Parser:
    parser = Parser(prog="hwr data", description=__doc__, epilog=_EXAMPLES)
    actions = parser.add_subparsers(dest="action", required=True, metavar="prepare|show")
    prepare = actions.add_parser("prepare", help="read, split by writer and store a data set")
    prepare.add_argument("--overwrite", action="store_true", help="prepare anew what is already prepared")
    show = actions.add_parser("show", help="write a sheet of samples as PNG")
    show.add_argument("--split", default="all", choices=("train", "validation", "test", "all"))
    show.add_argument("--count", type=int, default=40, help="samples on the sheet (default 40)")
    show.add_argument("--seed", type=int, default=0, help="which samples (default 0)")
    show.add_argument("--output", type=Path, required=True, metavar="FILE.png")
    for action in (prepare, show):
        action.add_argument("name", metavar="NAME", help="synthetic, unipen_words or iam_words")
        action.add_argument("--source", type=Path, metavar="PATH", help="the raw data: an archive or a folder")
        action.add_argument("--data_dir", type=Path, help="holds prepared data; default $HWR_JAX_DATA_DIR or the cache")
        action.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
        action.add_argument("--synthetic_writers", type=int, metavar="N")
        action.add_argument("--synthetic_words_per_writer", type=int, metavar="N")
        action.add_argument("--synthetic_seed", type=int, metavar="N")
    return parser


def _prepare(args: argparse.Namespace) -> int:
    from hwr_jax.data.prepared import prepare

    start = time.monotonic()
    with ProgressLine(args.name) as progress:
        info = prepare(
            args.name,
            args.source,
            args.data_dir,
            workers=args.workers,
            synthetic=_synthetic_params(args),
            overwrite=args.overwrite,
            progress=progress,
            say=lambda line: print(f"hwr data: {line}", file=sys.stderr, flush=True),
        )
    print(describe_prepared(info))
    if info.reused:
        print("It was prepared before; nothing was done.")
    else:
        print(f"{time.monotonic() - start:.0f} s")
    return 0


def describe_prepared(info: "PreparedInfo") -> str:
    """The folder, a line a split, and the skips by reason."""
    lines = [f"{info.name} {info.version}: {info.folder}", f"  {'split':<12}{'samples':>10}{'writers':>10}"]
    lines += [f"  {name:<12}{split.samples:>10,}{split.writers:>10,}" for name, split in info.splits.items()]
    total = sum(info.skipped.values())
    lines += [f"  {'skipped':<12}{total:>10,}" + ("   (ids in skipped.json)" if total else "")]
    lines += [f"    {count:>20,}  {reason}" for reason, count in info.skipped.items()]
    return "\n".join(lines)


def _show(args: argparse.Namespace) -> int:
    from hwr_jax.data.names import check_data_name
    from hwr_jax.data.sheet import draw_sheet

    check_data_name(args.name)
    if args.count < 1:
        raise InputError(f"--count={args.count}: must be at least 1")
    if args.output.suffix.lower() != ".png":
        raise InputError(f"--output={args.output}: must end in .png")
    chosen, total = _choose_raw(args) if _is_raw(args) else _choose_prepared(args)
    where = args.name if args.split == "all" else f"{args.name}, {args.split}"
    if not chosen:
        raise InputError(f"{where}: no samples to show")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(chosen, f"{where}: {len(chosen):,} of {total:,} samples, seed {args.seed}").save(args.output)
    print(f"{args.output}: {len(chosen):,} of {total:,} samples")
    return 0


def _is_raw(args: argparse.Namespace) -> bool:
    from hwr_jax.data.names import SYNTHETIC
    from hwr_jax.data.prepared import find_prepared

    if args.name != SYNTHETIC:
        return args.source is not None
    return args.source is not None or find_prepared(args.name, args.data_dir, synthetic=_synthetic_params(args)) is None


def _choose_prepared(args: argparse.Namespace) -> tuple[list["Sample"], int]:
    from hwr_jax.data.prepared import load_prepared
    from hwr_jax.data.splits import SPLITS

    names = SPLITS if args.split == "all" else (args.split,)
    splits = [load_prepared(args.name, name, args.data_dir, synthetic=_synthetic_params(args)) for name in names]
    places = [(split, index) for split in splits for index in range(len(split))]
    chosen = random.Random(args.seed).sample(places, min(args.count, len(places)))
    return [split[index] for split, index in chosen], len(places)


def _choose_raw(args: argparse.Namespace) -> tuple[list["Sample"], int]:
    """Every sample with the same chance, in one pass (reservoir sampling)."""
    rng = random.Random(args.seed)
    chosen: list[Sample] = []
    total = 0
    for sample in _raw_samples(args):
        total += 1
        if len(chosen) < args.count:
            chosen.append(sample)
        elif (place := rng.randrange(total)) < args.count:
            chosen[place] = sample
    return chosen, total


def _raw_samples(args: argparse.Namespace) -> Iterator["Sample"]:
    from hwr_jax.data.names import read_data
    from hwr_jax.data.sample import Sample
    from hwr_jax.data.splits import split_of

    total: list[int] = []
    samples = read_data(
        args.name, args.source, workers=args.workers, synthetic=_synthetic_params(args), tell_total=total.append
    )
    with ProgressLine(args.name) as progress:
        for done, sample in enumerate(samples, start=1):
            progress(done, total[0] if total else None)
            if isinstance(sample, Sample) and args.split in ("all", split_of(sample.writer)):
                yield sample


def _synthetic_params(args: argparse.Namespace) -> "SyntheticParams":
    from hwr_jax.data.names import SyntheticParams

    given = {
        "writers": args.synthetic_writers,
        "words_per_writer": args.synthetic_words_per_writer,
        "seed": args.synthetic_seed,
    }
    return SyntheticParams(**{name: value for name, value in given.items() if value is not None})


if __name__ == "__main__":
    sys.exit(run("data", main, sys.argv[1:]))
