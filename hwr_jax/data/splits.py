"""Which split a sample is in: a function of its writer alone."""

import hashlib
from collections.abc import Iterable

SPLITS = ("train", "validation", "test")
# Names the rule below. Another rule gets another name, so that results of the two are not compared by mistake.
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
    digest = hashlib.sha256()
    for sample_id in sorted(ids):
        digest.update(sample_id.encode() + b"\n")
    return digest.hexdigest()
