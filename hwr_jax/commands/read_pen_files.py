"""`hwr read` of files of pen strokes: their lines of text, page by page."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

if TYPE_CHECKING:
    from hwr_jax.reader import Reader, Reading

Print = Callable[[str, dict[str, Any], "Reading"], None]
Say = Callable[[str], None]


def read_lines_of_file(
    reader: "Reader", path: str, n_best: int, boxes: bool, confidences: bool, show: Print, say: Say
) -> bool:
    """Shows a reading for each line of text; False, and a message for each cause, where one could not be read.

    Args:
      show: takes the line's name, "PATH/PAGE/LINE" from 1, its values for JSON and its reading.
      say: takes messages.
    """
    from hwr_jax.data.pen_files import read_pen_file
    from hwr_jax.ink.stroke_lines import group_lines

    try:
        file = read_pen_file(Path(path))
    except InputError as error:
        say(str(error))
        return False
    if file.left_out:
        say(f"{path}: not read: {', '.join(count_of(count, what) for what, count in file.left_out.items())}")
    good, wide = True, 0
    for page in file.pages:
        for number, strokes in enumerate(group_lines(page.strokes), start=1):
            name = f"{path}/{page.number}/{number}"
            try:
                reading = reader.read_strokes(strokes, n_best, boxes, confidences)
            except InputError as error:
                say(f"{name}: {str(error).removeprefix('strokes: ')}")
                good = False
                continue
            if reading.problem:
                say(f"{name}: {reading.problem}")
                good = False
            else:
                show(name, {"path": path, "page": page.number, "line": number}, reading)
            wide += reading.looks_like_line
    if wide and reader.model.preprocessing.kind != "line":
        say(f"{path}: {count_of(wide, 'line')} of several words, but this model reads single words; give no --model")
    sys.stdout.flush()
    return good
