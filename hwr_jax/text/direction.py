"""Right-to-left scripts: from Unicode's logical order, first letter first, to the order on paper, from the left.

Labels, predictions and files have texts in logical order. A recognizer reads from the left, so the classes of a label
are in visual order. `Alphabet.encode` and `Alphabet.decode` turn one into the other; all other code sees logical order.
"""

import re
import unicodedata

from bidi.algorithm import (
    apply_mirroring,
    explicit_embed_and_overrides,
    get_embedding_levels,
    get_empty_storage,
    reorder_resolved_levels,
    resolve_implicit_levels,
    resolve_neutral_types,
    resolve_weak_types,
)

# The blocks that hold scripts written from right to left, with their presentation forms.
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]")
# Marks that nobody sees, which only steer how a text is laid out.
CONTROLS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def is_right_to_left(text: str) -> bool:
    """Whether a text holds letters of a script that is written from right to left."""
    return _RIGHT_TO_LEFT.search(text) is not None


def to_visual(text: str) -> str:
    """The characters of a text as they stand on paper, from the left, by Unicode's bidirectional algorithm (UAX 9).

    Brackets are mirrored. A text without right-to-left letters stays as it is. The base direction is that of most of
    its letters: a line of Hebrew may begin with a Latin name.
    """
    return _reorder(text)[0]


def to_logical(visual: str) -> tuple[str, list[int]]:
    """The text that `to_visual` makes `visual` of, and for each of its characters the index in `visual`.

    Several texts may look the same, such as a number between words of two scripts, written first or last; then one of
    them.
    """
    found = text, order = _reorder(visual)
    if text == visual or to_visual(text) == visual:
        return found
    # What follows a number decides how it is set. Read from the right, that is what it is beside.
    text, order = _reorder(visual[::-1])
    other = text[::-1], [len(visual) - 1 - index for index in reversed(order)]
    return other if to_visual(other[0]) == visual else found


def _reorder(text: str) -> tuple[str, list[int]]:
    """The text in visual order, and for each of its characters the index in `text`."""
    if not is_right_to_left(text):
        return text, list(range(len(text)))
    classes = [unicodedata.bidirectional(character) for character in text]
    base = int(sum(one in ("R", "AL") for one in classes) >= classes.count("L"))
    storage = get_empty_storage()
    storage["base_level"], storage["base_dir"] = base, "LR"[base]
    get_embedding_levels(text, storage)
    for index, character in enumerate(storage["chars"]):
        character["index"] = index
    explicit_embed_and_overrides(storage)
    for step in (resolve_weak_types, resolve_neutral_types, resolve_implicit_levels, reorder_resolved_levels):
        step(storage, False)
    apply_mirroring(storage, False)
    return "".join(one["ch"] for one in storage["chars"]), [one["index"] for one in storage["chars"]]
