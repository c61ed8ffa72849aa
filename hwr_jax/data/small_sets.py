"""Splits of sets with few writers, or without known ones: whole writers, pages or lines, of sizes that make sense."""

import collections
import hashlib
import re
from collections.abc import Mapping, Sequence

from hwr_jax.data.splits import AUTO, BY_LINE, BY_PAGE, BY_WRITER, FEW_WRITERS, SPLITS, split_of

BY_UNIT = (FEW_WRITERS, BY_PAGE, BY_LINE)

# Each of validation and test has about a tenth, but not below so many samples, and never more than a fifth.
_SHARE, _LEAST_SAMPLES, _MOST_SHARE = 0.1, 5, 0.2
# With fewer writers a test split would be one of them.
_LEAST_WRITERS = 10
# By writer, the splits are those of a draw. They will do down to such a share of the samples.
_LEAST_DRAWN_SHARE = 0.01

Units = Mapping[str, str]


def find_units(rule: str, writers: Mapping[str, str], page_id: re.Pattern[str] | None) -> Units:
    """What of each sample stays in one split by a rule: its writer, its page, or itself; "" where that is not known.

    Args:
      rule: FEW_WRITERS, BY_PAGE or BY_LINE.
      writers: id -> writer of all samples. A format that knows none gives the id, or its page.
      page_id: of the format, see `hwr_jax.data.formats.base.Format`.
    """
    if rule == BY_LINE:
        return {id: id for id in writers}
    pages = {id: found[1] if page_id and (found := page_id.fullmatch(id)) else "" for id in writers}
    if rule == BY_PAGE:
        return pages
    return {id: "" if writer in (id, pages[id]) else writer for id, writer in writers.items()}


def count_writers(writers: Mapping[str, str], page_id: re.Pattern[str] | None) -> int | None:
    """How many persons wrote the samples; None where most are by nobody known. Arguments as of `find_units`."""
    found = collections.Counter(find_units(FEW_WRITERS, writers, page_id).values())
    return None if 10 * found.pop("", 0) > len(writers) else len(found)


def choose_rule(writers: Mapping[str, str], page_id: re.Pattern[str] | None) -> str:
    """The first of BY_WRITER, FEW_WRITERS, BY_PAGE and BY_LINE that leaves no split empty or too small to mean much.

    Arguments as of `find_units`.
    """
    known = count_writers(writers, page_id)
    if known and _will_do(writers):
        return BY_WRITER
    if known and known >= _LEAST_WRITERS and divide_by_rank(find_units(FEW_WRITERS, writers, page_id)):
        return FEW_WRITERS
    pages = find_units(BY_PAGE, writers, page_id)
    return BY_PAGE if all(pages.values()) and divide_by_rank(pages) else BY_LINE


def divide_by_rank(units: Units) -> dict[str, list[str]] | None:
    """Split -> ids, of samples whose units stay together; None if the units are too few or too large for that.

    Units come in the order of a hash of their names: the first are for test, the next for validation, the others for
    training. So a set that grows keeps nearly all its samples in their splits.

    Args:
      units: id -> unit, "" for a sample alone.
    """
    ids_of: dict[str, list[str]] = collections.defaultdict(list)
    for id, unit in units.items():
        ids_of[unit or id].append(id)
    total = len(units)
    least = max(round(_SHARE * total), min(_LEAST_SAMPLES, int(_MOST_SHARE * total)), min(1, total // 3))
    most = max(least, int(_MOST_SHARE * total))
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for unit in sorted(ids_of, key=lambda unit: hashlib.sha256(unit.encode()).digest()):
        size = len(ids_of[unit])
        open_to = (split for split in ("test", "validation") if len(parts[split]) < least)
        split = next((split for split in open_to if len(parts[split]) + size <= most), "train")
        parts[split] += ids_of[unit]
    return parts if min(len(parts["test"]), len(parts["validation"])) >= least > 0 else None


def divide_by_unit(rule: str, writers: Mapping[str, str], page_id: re.Pattern[str] | None) -> dict[str, list[str]]:
    """Split -> ids by FEW_WRITERS, BY_PAGE or BY_LINE; all for training where that cannot be. See `find_units`."""
    units = find_units(rule, writers, page_id)
    return divide_by_rank(units) or {**{split: [] for split in SPLITS}, "train": [*writers]}


def ids_in_split(split: str, rule: str, writers: Mapping[str, str], page_id: re.Pattern[str] | None) -> set[str]:
    """The samples of a split by "auto", BY_WRITER or a rule of BY_UNIT. Other arguments as of `find_units`."""
    rule = choose_rule(writers, page_id) if rule == AUTO else rule
    if rule == BY_WRITER:
        return {id for id, writer in writers.items() if split_of(writer) == split}
    return set(divide_by_unit(rule, writers, page_id)[split])


def remark_on_splits(rule: str, samples: Mapping[str, int], writers: int | None) -> list[str]:
    """What to know of the splits before trusting numbers, one sentence each; of the usual ones nothing.

    Args:
      rule: of `data.split`, not "auto".
      samples: split -> number of samples.
      writers: of all of them, None where they are not known.
    """
    remarks = []
    if rule == FEW_WRITERS:
        remarks.append(f"{writers} writers are few: their splits are not drawn, but filled (data.split={rule}).")
    elif rule in BY_UNIT:
        who = "No writers are named" if writers is None else f"Too few writers ({writers})"
        same = "may be" if writers is None else "are"
        remarks.append(
            f"{who} to split by: split by {rule} (data.split={rule}), so the same writers {same} in training and test."
            " With other writers expect more errors."
        )
    if empty := [split for split in SPLITS if not samples.get(split)]:
        remarks.append(f"Nothing is left for {' and '.join(empty)}: {remedy_of_empty(rule)}.")
    return remarks


def remedy_of_empty(rule: str) -> str:
    """What to do where a rule leaves a split empty."""
    if rule in BY_UNIT:
        return "the samples are too few to be split; 10 or more will do"
    return "leave the split to the data with --config.data.split=auto, or give a folder of lists of ids (docs/data.md)"


def _will_do(writers: Mapping[str, str]) -> bool:
    """Whether the draw of `split_of` gives validation a writer, test two of them, and each some samples."""
    drawn = collections.Counter(split_of(writer) for writer in set(writers.values()))
    of_writer: Sequence[str] = [split_of(writer) for writer in writers.values()]
    samples = collections.Counter(of_writer)
    least = max(_LEAST_SAMPLES, _LEAST_DRAWN_SHARE * len(writers))
    return (
        drawn["validation"] >= 1
        and drawn["test"] >= 2
        and min(samples["validation"], samples["test"]) >= least
        and samples["train"] >= len(writers) / 2
    )
