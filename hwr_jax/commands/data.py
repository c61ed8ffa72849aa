"""`hwr data prepare`, `check` and `show`: store a data set, tell what is wrong with it, look at it."""

import argparse
import itertools
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.data_check import CHECK_DESCRIPTION, add_check_flags, check
from hwr_jax.commands.options import Parser, run
from hwr_jax.commands.reader_options import add_reader_flags, reader_options
from hwr_jax.errors import InputError
from hwr_jax.progress import ProgressLine

if TYPE_CHECKING:
    from hwr_jax.data.prepared import PreparedInfo
    from hwr_jax.data.sample import Sample, Skip

_EXAMPLES = """examples:
  hwr data prepare unipen_words --source=unipen.tar.xz
  hwr data prepare iam_words --source=iam/           (holds words.txt, words/ and best forms.txt)
  hwr data prepare iam_lines --source=iam/           (lines.txt, lines/ or lines.tgz)
  hwr data prepare copiste_lines --source=copiste.tar
  hwr data prepare alto_lines/mine --source=pages/ --line_types=default     (mine: a name of your own)
  hwr data prepare manifest/mine --source=data.csv --text_column=label
  hwr data prepare pairs/mine --source=lines/        (x.png and x.gt.txt)
  hwr data prepare synthetic                         (needs no source)
  hwr data check iam_words --source=iam/             (what is wrong with it; a page with pictures)
  hwr data check unipen_words --model=unipen_words   (the labels that a model doubts too)
  hwr data show unipen_words --split=test --output=sheet.png
  hwr data show iam_words --source=iam/ --output=sheet.png
  hwr data show unipen_words --augmented --config=configs/unipen_words.py --output=sheet.png
"""


def main(argv: Sequence[str]) -> int:
    """Runs `hwr data ...`. Returns the exit status.

    Raises:
      InputError: wrong flags, or data that are not what they should be.
      OSError: something cannot be read or written.
    """
    args = _parser().parse_args([arg for arg in argv if not arg.startswith("--config")])
    if args.workers < 1:
        raise InputError(f"--workers={args.workers}: must be at least 1")
    config_argv = [arg for arg in argv if arg.startswith("--config")]
    if args.action == "check":
        return _check(args, config_argv)
    if args.action == "show" and args.augmented:
        return _show(args, config_argv)
    if config_argv:
        raise InputError(f"{config_argv[0]}: only hwr data check and hwr data show --augmented take a config")
    return _prepare(args) if args.action == "prepare" else _show(args)


def _parser() -> Parser:
    parser = Parser(prog="hwr data", description=__doc__, epilog=_EXAMPLES)
    actions = parser.add_subparsers(dest="action", required=True, metavar="prepare|check|show")
    prepare = actions.add_parser("prepare", help="read, split by writer and store a data set")
    prepare.add_argument("--overwrite", action="store_true", help="prepare anew what is already prepared")
    checked = actions.add_parser(
        "check",
        help="tell what is wrong with it; exit status 1 if training would leave anything out",
        description=CHECK_DESCRIPTION,
    )
    add_check_flags(checked)
    show = actions.add_parser("show", help="write a sheet of samples as PNG")
    show.add_argument("--split", default="all", choices=("train", "validation", "test", "all"))
    show.add_argument("--count", type=int, help="samples on the sheet (default 40; 12 if augmented)")
    show.add_argument("--seed", type=int, default=0, help="which samples, and which augmentation (default 0)")
    show.add_argument("--output", type=Path, required=True, metavar="FILE.png")
    show.add_argument(
        "--augmented",
        action="store_true",
        help="each as --config=FILE.py preprocesses it, and below it as that config augments it, several times",
    )
    for action in (prepare, checked, show):
        action.add_argument("name", metavar="NAME", help=_names_help())
        action.add_argument("--source", type=Path, metavar="PATH", help="the raw data: an archive or a folder")
        action.add_argument("--data_dir", type=Path, help="holds prepared data; default $HWR_JAX_DATA_DIR or the cache")
        action.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
        action.add_argument("--synthetic_writers", type=int, metavar="N")
        action.add_argument("--synthetic_words_per_writer", type=int, metavar="N")
        action.add_argument("--synthetic_seed", type=int, metavar="N")
        add_reader_flags(action)
    return parser


def _names_help() -> str:
    from hwr_jax.data.formats.table import FORMATS

    *names, last = FORMATS
    return (
        f"{', '.join(names)} or {last}; docs/data.md describes them. A name of your own (manifest/mine) keeps several "
        "data sets of one format apart"
    )


def _prepare(args: argparse.Namespace) -> int:
    from hwr_jax.data.prepared import prepare

    start = time.monotonic()
    with ProgressLine(args.name) as progress:
        info = prepare(
            _data_name(args),
            args.source,
            args.data_dir,
            workers=args.workers,
            options=reader_options(args),
            overwrite=args.overwrite,
            progress=progress,
            say=lambda line: print(f"hwr data: {line}", file=sys.stderr, flush=True),
        )
    print(describe_prepared(info))
    if info.gives_splits:
        print("The source gives splits of its own; they are used with --config.data.split=given.")
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


def _show(args: argparse.Namespace, config_argv: Sequence[str] = ()) -> int:
    from hwr_jax.commands.data_augmented import augmented_config, draw_versions
    from hwr_jax.data.formats.table import check_data_name
    from hwr_jax.reports.sheet import draw_sample_sheet, draw_version_sheet

    check_data_name(args.name)
    if args.count is None:
        args.count = 12 if args.augmented else 40
    if args.count < 1:
        raise InputError(f"--count={args.count}: must be at least 1")
    if args.output.suffix.lower() != ".png":
        raise InputError(f"--output={args.output}: must end in .png")
    config = augmented_config(config_argv) if args.augmented else None
    chosen, total = _choose_raw(args) if _is_raw(args) else _choose_prepared(args)
    where = args.name if args.split == "all" else f"{args.name}, {args.split}"
    if not chosen:
        raise InputError(f"{where}: no samples to show")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    title = f"{where}: {len(chosen):,} of {total:,} samples, seed {args.seed}"
    if config:
        sheet = draw_version_sheet(chosen, draw_versions(chosen, config, args.seed), f"{title}; augmented below")
    else:
        sheet = draw_sample_sheet(chosen, title)
    sheet.save(args.output)
    print(f"{args.output}: {len(chosen):,} of {total:,} samples")
    return 0


def _check(args: argparse.Namespace, config_argv: Sequence[str]) -> int:
    from hwr_jax.data.formats.table import check_data_name

    check_data_name(args.name)
    args.split = "all"
    raw = _is_raw(args)
    return check(args, config_argv, _raw_items(args) if raw else _prepared_items(args), prepared=not raw)


def _prepared_items(args: argparse.Namespace) -> Iterator["Sample | Skip"]:
    """All samples of a prepared data set, and what was skipped when it was prepared."""
    from hwr_jax.data.prepared import load_prepared, load_skipped
    from hwr_jax.data.sample import Skip
    from hwr_jax.data.splits import SPLITS

    splits = [load_prepared(_data_name(args), split, args.data_dir) for split in SPLITS]
    total = sum(map(len, splits))
    with ProgressLine(args.name) as progress:
        for done, sample in enumerate(itertools.chain.from_iterable(splits), start=1):
            progress(done, total)
            yield sample
    skipped = load_skipped(_data_name(args), args.data_dir)
    yield from (Skip(id, reason) for id, reason in skipped.items())


def _is_raw(args: argparse.Namespace) -> bool:
    from hwr_jax.data.formats.table import format_of
    from hwr_jax.data.prepared import find_prepared

    format = format_of(args.name)
    made_up = format is not None and not format.needs_source
    return args.source is not None or (made_up and find_prepared(_data_name(args), args.data_dir) is None)


def _choose_prepared(args: argparse.Namespace) -> tuple[list["Sample"], int]:
    from hwr_jax.data.prepared import load_prepared
    from hwr_jax.data.splits import SPLITS

    names = SPLITS if args.split == "all" else (args.split,)
    splits = [load_prepared(_data_name(args), name, args.data_dir) for name in names]
    places = [(split, index) for split in splits for index in range(len(split))]
    chosen = random.Random(args.seed).sample(places, min(args.count, len(places)))
    return [split[index] for split, index in chosen], len(places)


def _choose_raw(args: argparse.Namespace) -> tuple[list["Sample"], int]:
    """Every sample with the same chance, in one pass (reservoir sampling)."""
    from hwr_jax.data.sample import Sample

    rng = random.Random(args.seed)
    chosen: list[Sample] = []
    total = 0
    for sample in _raw_items(args):
        if not isinstance(sample, Sample):
            continue
        total += 1
        if len(chosen) < args.count:
            chosen.append(sample)
        elif (place := rng.randrange(total)) < args.count:
            chosen[place] = sample
    return chosen, total


def _raw_items(args: argparse.Namespace) -> Iterator["Sample | Skip"]:
    """The samples of the split, and all skips."""
    from hwr_jax.data.formats.table import read_data
    from hwr_jax.data.sample import Sample
    from hwr_jax.data.splits import split_of

    total: list[int] = []
    samples = read_data(
        _data_name(args),
        args.source,
        workers=args.workers,
        options=reader_options(args),
        tell_total=total.append,
    )
    with ProgressLine(args.name) as progress:
        for done, sample in enumerate(samples, start=1):
            progress(done, total[0] if total else None)
            if not isinstance(sample, Sample) or args.split in ("all", split_of(sample.writer)):
                yield sample


def _data_name(args: argparse.Namespace) -> str:
    """The data set; of synthetic data with the parameters that were given."""
    from hwr_jax.data.formats.synthetic import SYNTHETIC, SyntheticParams

    if args.name != SYNTHETIC:
        return args.name
    given = {
        "writers": args.synthetic_writers,
        "words_per_writer": args.synthetic_words_per_writer,
        "seed": args.synthetic_seed,
    }
    return SyntheticParams(**{name: value for name, value in given.items() if value is not None}).data_name


if __name__ == "__main__":
    sys.exit(run("data", main, sys.argv[1:]))
