"""`hwr read --page`: the lines of ALTO and PAGE files, read from their scans."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.input_paths import check_written
from hwr_jax.commands.read_print import count_texts, print_reading, say
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

if TYPE_CHECKING:
    from hwr_jax.reader import Reader
    from hwr_jax.review import Review


def read_page_file(
    reader: "Reader",
    path: Path,
    output: Path | None,
    options: argparse.Namespace,
    made_by: str,
    review: "Review | None",
) -> bool:
    """Whether all lines of a page were read."""
    from hwr_jax.files import write_bytes, write_text
    from hwr_jax.page_reader import read_page

    try:
        page = read_page(
            reader, path, image=options.image, n_best=count_texts(options), write=output is not None, made_by=made_by
        )
    except InputError as error:
        say(str(error))
        return False
    for line in page.lines:
        name = f"{path.with_suffix('')}/{line.name}"
        if review is not None:
            review.add(name, line.reading, line.image_HxW if options.review else None)
        if line.reading.problem:
            say(f"{path}: line {line.name}: {line.reading.problem}")
        else:
            values = {"page": str(path), "line": line.name}
            print_reading(name, values, line.reading, options, review)
    read = sum(not line.reading.problem for line in page.lines)
    if not read:
        say(f"{path}: no line could be read; nothing is written")
        return False
    message = f"{path}: {read} of {count_of(page.lines, 'line')} read"
    if output is None or page.written is None:
        say(f"{message}; --output=DIR writes them into a copy of the file")
        return read == len(page.lines)
    write_bytes(output, page.written.xml)
    write_text(output.with_suffix(".txt"), page.written.plain_text)
    message += f", written to {output} and {output.stem}.txt"
    if page.written.dropped:
        dropped = ", ".join(f"{count} {tag}" for tag, count in sorted(page.written.dropped.items()))
        message += f"; taken out, as they described the old text: {dropped}"
    if page.written.dangling:
        message += f"; its reading order still names what was taken out: {', '.join(page.written.dangling)}"
    say(message)
    return read == len(page.lines)


def name_outputs(pages: Sequence[str], folder: Path) -> dict[Path, Path]:
    """For each page file the file in the folder that it will be written to, beside which the plain text goes.

    Raises InputError: two pages would be written to one file, or one over a file that is read.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output={folder}: is a file; give a folder")
    outputs = {path: folder / path.name for path in map(Path, pages)}
    check_written([(path, file) for path, xml in outputs.items() for file in (xml, xml.with_suffix(".txt"))], outputs)
    return outputs
