"""Which split a run puts each sample in, and who is in several."""

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence

from hwr_jax.data import split_rules
from hwr_jax.data.checks.kinds import OTHER_LABEL, PAGES_LEAK, SAME_LABEL, SEVERAL_SPLITS, WRITERS_LEAK
from hwr_jax.data.formats.table import format_of
from hwr_jax.data.split_rules import BY_WRITER, GIVEN, KERAS_EXAMPLE
from hwr_jax.data.splits import split_of
from hwr_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Division:
    """Which split each sample is in."""

    split: dict[str, str]  # id -> split; ids in no split are absent
    in_none: dict[str, str]  # id -> reason why it is in no split


def divide(
    rule: str, writers: Mapping[str, str], given: Mapping[str, str], listed: Callable[[], Sequence[str]] | None
) -> Division:
    """Divides samples as `hwr_jax.data.loading.load_split` does.

    The rule is `data.split` of a config; `writers` (id -> writer) has all samples; `given` is id -> split as the source
    gives them; `listed` gives the ids in the source's own order, None where that is not known.

    Raises:
      InputError: the rule needs what is not there, or names lists that cannot be read.
    """
    if rule == BY_WRITER:
        of_writer = {writer: split_of(writer) for writer in set(writers.values())}
        return Division({id: of_writer[writer] for id, writer in writers.items()}, {})
    if rule == GIVEN and not given:
        raise InputError("data.split='given': the source gives no splits; use 'writer', or lists of ids")
    if rule == KERAS_EXAMPLE and listed is None:
        raise InputError("data.split='keras_example': needs prepared data; run hwr data prepare and leave --source out")
    ids = listed() if rule == KERAS_EXAMPLE and listed else [*writers]
    parts, in_none = split_rules.divide(rule, ids, writers, given)
    return Division({id: name for name, ids in parts.items() for id in ids if id in writers}, in_none)


def find_leaks(name: str, writers: Mapping[str, str], split: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Kind -> writer or page -> samples in each split, of those in several; ids of some formats alone name pages."""
    by_writer: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    by_page: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    format = format_of(name)
    pattern = format.page_id if format else None
    for id, part in split.items():
        by_writer[writers[id]][part] += 1
        if pattern is not None and (page := pattern.fullmatch(id)):
            by_page[page[1]][part] += 1
    return {kind: _in_several(counts) for kind, counts in ((WRITERS_LEAK, by_writer), (PAGES_LEAK, by_page))}


def find_duplicates(
    groups: Sequence[Sequence[str]], text_of: Mapping[str, str], split_of: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Kind -> id -> the others of its group, of groups of ids of images with the same pixels."""
    found: dict[str, dict[str, str]] = {OTHER_LABEL: {}, SEVERAL_SPLITS: {}, SAME_LABEL: {}}
    for ids in groups:
        kinds = [OTHER_LABEL if len({text_of[id] for id in ids}) > 1 else SAME_LABEL]
        kinds += [SEVERAL_SPLITS] * (len({split_of[id] for id in ids}) > 1)
        more = f" and {len(ids) - 4:,} more" if len(ids) > 4 else ""
        for kind in kinds:
            remarks = {OTHER_LABEL: " {text!r}", SEVERAL_SPLITS: " ({split})", SAME_LABEL: ""}[kind]
            named = {id: id + remarks.format(text=text_of[id], split=split_of[id]) for id in ids}
            for id in ids:
                others = [named[other] for other in ids if other != id][:3]
                found[kind][id] = "as " + ", ".join(others) + more
    return found


def _in_several(counts: Mapping[str, collections.Counter[str]]) -> dict[str, str]:
    return {
        name: ", ".join(f"{count:,} in {part}" for part, count in sorted(parts.items()))
        for name, parts in sorted(counts.items())
        if len(parts) > 1
    }
