"""Images with the same pixels."""

from collections.abc import Mapping, Sequence

from hwr_jax.data.checks.kinds import OTHER_LABEL, SAME_LABEL, SEVERAL_SPLITS


def find_duplicates(
    groups: Sequence[Sequence[str]], text_of: Mapping[str, str], split_of: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Kind -> id -> the others of its group.

    Args:
      groups: ids of images with the same pixels, two at least.
      text_of: id -> label.
      split_of: id -> split.
    """
    found: dict[str, dict[str, str]] = {OTHER_LABEL: {}, SEVERAL_SPLITS: {}, SAME_LABEL: {}}
    for ids in groups:
        kinds = [OTHER_LABEL if len({text_of[id] for id in ids}) > 1 else SAME_LABEL]
        if len({split_of[id] for id in ids}) > 1:
            kinds.append(SEVERAL_SPLITS)
        for kind in kinds:
            for id in ids:
                others = [other for other in ids if other != id][:3]
                more = f" and {len(ids) - 4:,} more" if len(ids) > 4 else ""
                found[kind][id] = "as " + ", ".join(_tell(kind, o, text_of, split_of) for o in others) + more
    return found


def _tell(kind: str, id: str, text_of: Mapping[str, str], split_of: Mapping[str, str]) -> str:
    remark = {OTHER_LABEL: f" {text_of[id]!r}", SEVERAL_SPLITS: f" ({split_of[id]})"}.get(kind, "")
    return id + remark
