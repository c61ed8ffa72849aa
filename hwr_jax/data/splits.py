"""Which split a sample is in: by its writer alone, as the Keras example does, by its source, or by lists of ids.

Sets with few writers: `hwr_jax.data.small_sets`.
"""

import dataclasses
import hashlib
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from hwr_jax.data.archives import decode_text
from hwr_jax.data.sample import IMAGE_SUFFIXES
from hwr_jax.errors import InputError

SPLITS = ("train", "validation", "test")
# Names the rule of `split_of`. Another rule gets another name, so that results of the two are not compared by mistake.
SPLIT_RULE = "writer-sha256-85-5-10"
_TRAIN_SHARE = 0.85
_VALIDATION_SHARE = 0.05


def split_of(writer: str) -> str:
    """The split of everything a writer wrote: "train" (85 % of writers), "validation" (5 %) or "test" (10 %).

    It depends on nothing but the writer's name, so no two splits share a writer, and a data set that grows keeps the
    splits it had. The shares are those of a draw: sets with few writers, below about 20, may leave a split empty.
    """
    digest = hashlib.sha256(writer.encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < _TRAIN_SHARE:
        return "train"
    return "validation" if position < _TRAIN_SHARE + _VALIDATION_SHARE else "test"


def hash_of_ids(ids: Iterable[str]) -> str:
    """SHA-256 (hex) over the ids in sorted order, one a line: equal for the same set of samples, whatever its order."""
    return hashlib.sha256("".join(f"{id}\n" for id in sorted(ids)).encode()).hexdigest()


# Values of `data.split`. By "auto" the data choose one of the first four.
AUTO = "auto"
BY_WRITER, FEW_WRITERS, BY_PAGE, BY_LINE = "writer", "few_writers", "page", "line"
KERAS_EXAMPLE, GIVEN = "keras_example", "given"
KERAS_EXAMPLE_RULE = "keras-example-seed42-90-5-5"
GIVEN_RULE = "given-by-source"
_RULES = {
    BY_WRITER: SPLIT_RULE,
    FEW_WRITERS: "writer-rank-80-10-10",
    BY_PAGE: "page-rank-80-10-10",
    BY_LINE: "line-rank-80-10-10",
    KERAS_EXAMPLE: KERAS_EXAMPLE_RULE,
    GIVEN: GIVEN_RULE,
}

# The names of splits, also those under which lists of IAM's are passed around, such as tr.lst of the RWTH/Aachen split.
_NAMES = {
    "train": ("train", "tr", "training", "trainset"),
    "validation": ("validation", "va", "val", "valid", "dev", "validationset1"),
    "test": ("test", "te", "testset", "testing", "eval"),
}
_LIST_SUFFIXES = (".txt", ".lst", ".ln", ".uttlist")
_SPLIT_OF_NAME = {name: split for split, names in _NAMES.items() for name in names}
# What else entries of lists end in: the files beside the images.
_TEXT_SUFFIXES = (".gt.txt", ".txt", ".xml")


@dataclasses.dataclass(frozen=True)
class SplitLists:
    """Lists of ids that divide a data set."""

    rule: str  # a name that changes with the lists' content
    ids: Mapping[str, frozenset[str]]  # split -> ids, or beginnings of ids such as forms and lines of IAM


def rule_name(split: str) -> str:
    """The name of the rule that `data.split`, other than "auto", asks for, as results give it.

    Raises InputError if a folder of lists is asked for and cannot be read.
    """
    return _RULES[split] if split in _RULES else read_split_lists(Path(split)).rule


def names_lists(split: str) -> bool:
    """Whether a value of `data.split` is that of a folder with lists of ids."""
    return split not in (AUTO, *_RULES)


def split_named(name: str) -> str | None:
    """The split that a name stands for ("tr", "dev", "Testing" ...), None if it is none."""
    return _SPLIT_OF_NAME.get(name.strip().lower())


def divide(
    rule: str, ids: Sequence[str], known: Container[str], given: Mapping[str, str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Samples divided by a rule other than by writer: split -> ids in order; and id -> why it is in none.

    The ids are in the source's own order, for the Keras example's rule also of images that cannot be read; `known` has
    those that there are samples of; `given` is id -> split as the source gives them. Raises InputError if the rule
    names lists that cannot be read.
    """
    if rule == KERAS_EXAMPLE:
        return divide_as_keras_example(ids), {}
    if rule == GIVEN:
        parts = {split: [id for id in ids if given.get(id) == split] for split in SPLITS}
        return parts, {id: "in no split of the source" for id in ids if id in known and not given.get(id)}
    lists = read_split_lists(Path(rule))
    parts = divide_by_lists((id for id in ids if id in known), lists)
    return parts, dict.fromkeys(parts.pop(""), f"in no list of {lists.rule}")


def divide_as_keras_example(listed_ids: Sequence[str]) -> dict[str, list[str]]:
    """The Keras example's splits: 90 % training, and what is left in halves, after one shuffle with numpy's seed 42.

    Writers, and even lines, are in several splits. The ids are all in the source's list that are not marked as
    unusable, in its order, also of images that cannot be read: the example drops those afterwards.
    """
    shuffled = list(listed_ids)
    np.random.RandomState(42).shuffle(shuffled)
    train = int(0.9 * len(shuffled))
    validation = train + int(0.5 * (len(shuffled) - train))
    return {"train": shuffled[:train], "validation": shuffled[train:validation], "test": shuffled[validation:]}


# Lists in circulation, which `data.split` takes by name; README.md there says where they come from.
SPLIT_LISTS = Path(__file__).parent / "split_lists"


def read_split_lists(folder: Path) -> SplitLists:
    """Reads lists of ids, one id a line, from a folder that holds one for each split, named as in `split_named`.

    It may be one of SPLIT_LISTS by its name, where there is no such folder here.
    White space around ids, what follows a tab, and lines that start with "#" do not count. Raises InputError if a list
    is missing, there twice, empty or not text, or two lists share an id.
    """
    if not folder.is_dir() and len(folder.parts) == 1 and (SPLIT_LISTS / folder).is_dir():
        folder = SPLIT_LISTS / folder
    if not folder.is_dir():
        named = sorted(path.name for path in SPLIT_LISTS.iterdir() if path.is_dir())
        rules = ", ".join((AUTO, *_RULES, *named))
        raise InputError(f"data.split: {str(folder)!r} is none of {rules}, nor a folder with lists of ids")
    ids = {split: _read_list(_find_list(folder, split)) for split in SPLITS}
    owner: dict[str, str] = {}
    for split, members in ids.items():
        for member in sorted(members):
            if owner.setdefault(member, split) != split:
                raise InputError(f"{folder}: {member} is in the lists of {owner[member]} and of {split}")
    content = "".join(f"{split} {member}\n" for split in SPLITS for member in sorted(ids[split]))
    return SplitLists(f"lists-{hashlib.sha256(content.encode()).hexdigest()[:8]}", ids)


def divide_by_lists(ids: Iterable[str], lists: SplitLists) -> dict[str, list[str]]:
    """Split -> ids in their order; those in no list are under "".

    An id belongs to a list that holds it or, up to one of its hyphens or slashes, its beginning: a01-000u-00-03 to one
    with a01-000u-00 (a line) or a01-000u (a form), p1/l3 to one with p1 (a page). The longest beginning decides.
    Suffixes of files do not count, nor folders before an id that no sample has.

    Raises InputError if two lists then share an id.
    """
    ids = [*ids]
    split_of_member: dict[str, str] = {}
    for split, members in lists.ids.items():
        for entry, id in _name_samples(members, ids).items():
            if split_of_member.setdefault(id, split) != split:
                raise InputError(
                    f"{lists.rule}: {entry} of {split} is in the list of {split_of_member[id]}, too, as {id}"
                )
    divided: dict[str, list[str]] = {split: [] for split in (*SPLITS, "")}
    for sample_id in ids:
        divided[split_of_member.get(_find_member(sample_id, split_of_member), "")].append(sample_id)
    return divided


def remark_on_lists(split: str, ids: Iterable[str]) -> list[str]:
    """Which entries of the lists that `data.split` names are of no sample among these, in a sentence; else nothing."""
    if not names_lists(split):
        return []
    ids = [*ids]
    members = {entry for entries in read_split_lists(Path(split)).ids.values() for entry in entries}
    named = _name_samples(members, ids)
    beginnings = {*named.values()}
    found = {_find_member(id, beginnings) for id in ids}
    absent = sorted(entry for entry, id in named.items() if id not in found)
    shown = ", ".join(absent[:_MOST_SHOWN]) + f", and {len(absent) - _MOST_SHOWN:,} more" * (len(absent) > _MOST_SHOWN)
    what = "entries of the lists name" if len(absent) > 1 else "entry of the lists names"
    return [f"{split}: {len(absent):,} {what} no sample: {shown}"] if absent else []


_MOST_SHOWN = 12


def _name_samples(entries: Iterable[str], ids: Iterable[str]) -> dict[str, str]:
    """For each entry of a list the id, or beginning of ids, that it means.

    That is the entry without its suffix and without the first of its folders where ids begin so, else the whole entry.
    """
    beginnings = {part for id in ids for part in _beginnings(_bare(id))}
    named = {}
    for entry in entries:
        parts = _bare(entry.replace("\\", "/")).split("/")
        tails = ("/".join(parts[start:]) for start in range(len(parts)))
        named[entry] = next((tail for tail in tails if tail in beginnings), _bare(entry))
    return named


def _find_member(sample_id: str, members: Container[str]) -> str:
    """The longest of an id's `_beginnings` that is a member; the shortest if none is."""
    beginnings = _beginnings(_bare(sample_id))
    return next((part for part in beginnings if part in members), beginnings[-1])


def _beginnings(id: str) -> list[str]:
    """An id, and what stands before each of its hyphens and slashes, the longest first."""
    return [id, *(id[: found.start()] for found in [*re.finditer("[-/]", id)][::-1])]


def _bare(name: str) -> str:
    """A name without the suffix of an image, or of a text or page file."""
    lower = name.lower()
    return name[: -len(suffix)] if (suffix := next(filter(lower.endswith, _SUFFIXES), "")) else name


_SUFFIXES = (*_TEXT_SUFFIXES, *IMAGE_SUFFIXES)


def _find_list(folder: Path, split: str) -> Path:
    files = [path for path in folder.iterdir() if path.suffix.lower() in _LIST_SUFFIXES and path.is_file()]
    found = [path for path in files if split_named(path.stem) == split]
    if len(found) != 1:
        what = "several lists" if found else "no list"
        names = ", ".join(f"{name}.txt" for name in _NAMES[split])
        raise InputError(f"{folder}: {what} for {split}; give one, such as {names} ({', '.join(_LIST_SUFFIXES[1:])})")
    return found[0]


def _read_list(path: Path) -> frozenset[str]:
    try:
        lines = [line.partition("\t")[0].strip() for line in decode_text(path.read_bytes(), "utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; give one id a line") from error
    members = frozenset(line for line in lines if line and not line.startswith("#"))
    if not members:
        raise InputError(f"{path}: no ids; give one id a line")
    return members
