"""`hwr data prepare`, `check` and `show`: stores a data set, finds what is wrong with it, shows samples of it."""

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.data_check import CHECK_DESCRIPTION, add_check_flags, check
from hwr_jax.commands.options import Parser, add_data_flags, positive, run
from hwr_jax.errors import InputError
from hwr_jax.progress import ProgressLine

if TYPE_CHECKING:
    from hwr_jax.config import ExperimentConfig
    from hwr_jax.data.formats.base import Option, Options
    from hwr_jax.data.prepared import PreparedInfo
    from hwr_jax.data.sample import Sample, Skip
    from hwr_jax.training.parts import Parts

VERSIONS = 5  # of a sample that is shown augmented
_DESCRIPTION = "Stores a data set for training, finds what is wrong with it, or shows samples of it."
_EXAMPLES = """examples:
  hwr data prepare unipen_words --source=unipen.tar.xz
  hwr data prepare iam_words --source=iam/           (holds words.txt, words/ and best forms.txt)
  hwr data prepare iam_lines --source=iam/           (lines.txt, lines/ or lines.tgz)
  hwr data prepare copiste_lines --source=copiste.tar
  hwr data prepare alto_lines/mine --source=pages/ --line_types=default   (a name of your own)
  hwr data prepare manifest/mine --source=data.csv --text_column=label
  hwr data prepare pairs/mine --source=lines/        (x.png and x.gt.txt)
  hwr data prepare synthetic                         (needs no source)
  hwr data check iam_words --source=iam/             (what is wrong with it; a page with pictures)
  hwr data check unipen_words --model=unipen_words   (the labels that a model doubts, too)
  hwr data show unipen_words --split=test --output=sheet.png
  hwr data show iam_words --source=iam/ --output=sheet.png
  hwr data show unipen_words --augmented --config=unipen_words --output=sheet.png
"""


def main(argv: Sequence[str]) -> int:
    """Runs `hwr data ...`. Returns the exit status."""
    args = _parser().parse(argv)
    return {"prepare": _prepare, "check": _check, "show": _show}[args.action](args)


def _parser() -> Parser:
    from hwr_jax.data.formats.table import FORMATS

    parser = Parser(prog="hwr data", description=_DESCRIPTION, epilog=_EXAMPLES)
    actions = parser.add_subparsers(prog="hwr data", dest="action", required=True, metavar="prepare|check|show")
    prepare = actions.add_parser("prepare", help="parse the raw data and store them; says how they are split")
    prepare.add_argument("--overwrite", action="store_true", help="prepare anew what is already prepared")
    checked = actions.add_parser(
        "check",
        help="find what is wrong with the data; exit status 1 if training would leave anything out",
        description=CHECK_DESCRIPTION,
    )
    add_check_flags(checked)
    show = actions.add_parser("show", help="write a sheet of samples as PNG")
    show.add_argument("--split", default="all", choices=("train", "validation", "test", "all"))
    show.add_argument("--count", type=positive, metavar="N", help="samples on the sheet (default 40; 12 if augmented)")
    show.add_argument("--seed", type=int, default=0, help="which samples, and which augmentation (default 0)")
    show.add_argument("--output", type=Path, required=True, metavar="FILE.png")
    show.add_argument(
        "--augmented",
        action="store_true",
        help="draw each sample as --config=NAME preprocesses it, and below it as that config augments it",
    )
    names = (
        f"{', '.join(FORMATS)}; docs/data.md describes them. A name of your own after a slash (manifest/mine) keeps "
        "several data sets of one format apart"
    )
    for action in (prepare, checked, show):
        action.add_argument("name", metavar="NAME", help=names)
        action.add_argument("--source", type=Path, metavar="PATH", help="the raw data: an archive or a folder")
        add_data_flags(action)
        synthetic = action.add_argument_group("options of the format synthetic")
        for name in ("writers", "words_per_writer", "seed"):
            synthetic.add_argument(f"--synthetic_{name}", type=int, metavar="N")
        formats = action.add_argument_group("options of some formats")
        for option in _format_options().values():
            takers = [format.name for format in FORMATS.values() if option in format.options]
            text = f"{option.help} ({', '.join(takers)})"
            if option.switch is None:
                formats.add_argument(f"--{option.name}", metavar=option.metavar, help=text)
            else:
                flag = option.name if option.switch else f"no_{option.name}"
                formats.add_argument(
                    f"--{flag}", dest=option.name, action="store_const", const=option.switch, help=text
                )
    for action in (checked, show):
        action.add_config_flags(required=False, parts=action is show)
    return parser


def _format_options() -> "dict[str, Option]":
    from hwr_jax.data.formats.table import FORMATS

    return {option.name: option for format in FORMATS.values() for option in format.options}


def _given_options(args: argparse.Namespace) -> "Options":
    return {name: value for name in _format_options() if (value := getattr(args, name)) is not None}


def _prepare(args: argparse.Namespace) -> int:
    from hwr_jax.data.prepared import prepare

    start = time.monotonic()
    with ProgressLine(args.name) as progress:
        info = prepare(
            _data_name(args),
            args.source,
            args.data_dir,
            workers=args.workers,
            options=_given_options(args),
            overwrite=args.overwrite,
            progress=progress,
            say=lambda line: print(f"hwr data: {line}", file=sys.stderr, flush=True),
        )
    print(_describe_prepared(info, args.data_dir))
    if info.gives_splits:
        print("The source gives splits of its own; they are used with --config.data.split=given.")
    print("It was prepared before; nothing was done." if info.reused else f"{time.monotonic() - start:.0f} s")
    return 0


def _describe_prepared(info: "PreparedInfo", data_dir: Path | None) -> str:
    """The folder, a line a split as training makes them, and the skips by reason with the first ids of each."""
    from hwr_jax.config import DataConfig
    from hwr_jax.data.loading import remark_on_data, settle_split, summarize_splits
    from hwr_jax.data.prepared import load_skipped
    from hwr_jax.reports.tables import show_number

    config = settle_split(DataConfig(name=info.name, data_dir=str(data_dir or "")))
    ids: dict[str, list[str]] = {}
    for id, reason in load_skipped(info.name, data_dir).items():
        ids.setdefault(reason.partition(" (")[0], []).append(id)
    lines = [f"{info.name} {info.version}: {info.folder}", f"  {'split':<12}{'samples':>10}{'writers':>10}"]
    for name, split in summarize_splits(config).items():
        lines.append(f"  {name:<12}{split.samples:>10,}{show_number(split.writers):>10}")
    lines += [f"  {remark}" for remark in remark_on_data(config)]
    total = sum(info.skipped.values())
    lines += [f"  {'skipped':<12}{total:>10,}" + ("   (ids in skipped.json)" if total else "")]
    for reason, count in info.skipped.items():
        some = ids.get(reason.partition(" (")[0], [])
        lines.append(f"    {count:>20,}  {reason}: {'; '.join(some[:3])}{' ...' * (len(some) > 3)}")
    return "\n".join(lines)


def _show(args: argparse.Namespace) -> int:
    from hwr_jax.data.formats.table import check_data_name
    from hwr_jax.reports.sheet import draw_sample_sheet, draw_version_sheet

    check_data_name(args.name)
    if args.output.suffix.lower() != ".png":
        raise InputError(f"--output={args.output}: must end in .png")
    if args.config is not None and not args.augmented:
        raise InputError("--config: has no effect without --augmented")
    augmentation = _find_augmentation(args) if args.augmented else None
    count = args.count or (12 if args.augmented else 40)
    chosen, total = (_choose_raw if _is_raw(args) else _choose_prepared)(args, count)
    where = args.name if args.split == "all" else f"{args.name}, {args.split}"
    if not chosen:
        raise InputError(f"{where}: no samples to show")
    title = f"{where}: {len(chosen):,} of {total:,} samples, seed {args.seed}"
    if augmentation:
        from hwr_jax.reports.versions import draw_versions

        versions = draw_versions(chosen, *augmentation, args.seed, VERSIONS)
        sheet = draw_version_sheet(chosen, versions, f"{title}; augmented below")
    else:
        sheet = draw_sample_sheet(chosen, title)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(args.output)
    print(f"{args.output}: {len(chosen):,} of {total:,} samples")
    return 0


def _find_augmentation(args: argparse.Namespace) -> "tuple[ExperimentConfig, Parts]":
    """The config that says how to augment, and its parts."""
    from hwr_jax.config import resolve_config
    from hwr_jax.training.parts import build_parts

    if args.config is None:
        raise InputError("--augmented: by which config? Give --config=NAME too")
    config = resolve_config(args.config)
    parts = args.parts or build_parts(config)
    if not parts.augmentation:
        raise InputError(
            "--augmented: the config augments nothing; raise a strength, for example with --config.augment.shear=0.3"
        )
    return config, parts


def _check(args: argparse.Namespace) -> int:
    raw = _is_raw(args)
    return check(args, _raw_items(args) if raw else _prepared_items(args), prepared=not raw)


def _is_raw(args: argparse.Namespace) -> bool:
    from hwr_jax.data.formats.table import check_data_name
    from hwr_jax.data.prepared import find_prepared

    made_up = not check_data_name(args.name).needs_source
    return args.source is not None or (made_up and find_prepared(_data_name(args), args.data_dir) is None)


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


def _raw_items(args: argparse.Namespace) -> Iterator["Sample | Skip"]:
    """All samples and all skips."""
    from hwr_jax.data.formats.table import read_data

    name, given = _data_name(args), _given_options(args)
    with ProgressLine(args.name) as progress:
        yield from read_data(name, args.source, workers=args.workers, options=given, progress=progress)


def _choose_prepared(args: argparse.Namespace, count: int) -> tuple[list["Sample"], int]:
    """Samples at random, and how many there are."""
    from hwr_jax.data.prepared import load_prepared, load_writers
    from hwr_jax.data.splits import SPLITS

    splits = {name: load_prepared(_data_name(args), name, args.data_dir) for name in SPLITS}
    indices = [(split, index) for split in splits.values() for index in range(len(split))]
    if args.split != "all" and (writers := load_writers(_data_name(args), args.data_dir)):
        members = _members(args, writers)
        indices = [(split, index) for split, index in indices if split[index].id in members]
    elif args.split != "all":  # What an older version prepared is split by writer.
        indices = [(splits[args.split], index) for index in range(len(splits[args.split]))]
    chosen = random.Random(args.seed).sample(indices, min(count, len(indices)))
    return [split[index] for split, index in chosen], len(indices)


def _members(args: argparse.Namespace, writers: Mapping[str, str]) -> set[str]:
    """The ids of the split to show, as the data choose their splits."""
    from hwr_jax.data.formats.table import page_pattern
    from hwr_jax.data.small_sets import ids_in_split
    from hwr_jax.data.splits import AUTO

    return ids_in_split(args.split, AUTO, writers, page_pattern(args.name))


def _choose_raw(args: argparse.Namespace, count: int) -> tuple[list["Sample"], int]:
    """Likewise by reservoir sampling in one pass; of a split in a second, when the writers are known."""
    from hwr_jax.data.sample import Sample

    members = None
    if args.split != "all":
        members = _members(args, {item.id: item.writer for item in _raw_items(args) if isinstance(item, Sample)})
    rng = random.Random(args.seed)
    chosen: list[Sample] = []
    total = 0
    samples = (
        item for item in _raw_items(args) if isinstance(item, Sample) and (members is None or item.id in members)
    )
    for total, sample in enumerate(samples, start=1):
        if len(chosen) < count:
            chosen.append(sample)
        elif (index := rng.randrange(total)) < count:
            chosen[index] = sample
    return chosen, total


def _data_name(args: argparse.Namespace) -> str:
    """The data set; of synthetic data with the parameters that were given."""
    from hwr_jax.data.formats.synthetic import SYNTHETIC, SyntheticParams

    if args.name != SYNTHETIC:
        return args.name
    values = {name: getattr(args, f"synthetic_{name}") for name in ("writers", "words_per_writer", "seed")}
    return SyntheticParams(**{name: value for name, value in values.items() if value is not None}).data_name


if __name__ == "__main__":
    sys.exit(run("data", main, sys.argv[1:]))
