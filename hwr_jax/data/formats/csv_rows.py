"""Rows of CSV and TSV files as spreadsheets, programs and people write them: with quotes around fields or without."""

import csv
import io
import logging
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from hwr_jax.data.formats.entries import is_image

# How quotes are meant, in the order in which it is tried: "say ""so""", as spreadsheets write it; "say \\"so\\"", as in
# ICDAR's lists; or as characters like others.
_DOUBLED, _ESCAPED, _CHARACTERS = "doubled", "escaped", "characters"
# A field may go on over so many lines more. A quote that is never closed would join all the file.
_MOST_LINES = 50
_CANNOT_BE_READ = "row cannot be read: a quote is not closed"
# Line number, the line, its fields or None where the quotes in it do not fit together.
_Record = tuple[int, str, list[str] | None]
# Line number; the fields by column, or why the row cannot be used.
Row = tuple[int, Mapping[str, str] | str]

log = logging.getLogger(__name__)


class CsvRows:
    """The rows of a file. It is read twice: whether quotes enclose fields, all of its rows together tell."""

    def __init__(
        self,
        open_file: Callable[[], io.TextIOWrapper],
        where: str,
        *,
        delimiter: str = "",
        quotes: str = "",
        tabs: bool = False,
    ) -> None:
        """Looks through the file.

        Args:
          open_file: opens it, with newline="".
          where: the file, for messages.
          delimiter: between fields; "": what the first line shows.
          quotes: whether double quotes enclose fields, "yes" or "no"; "": as the rows show.
          tabs: the file is a TSV, where a lone pair of quotes means itself.
        """
        self._open_file, self._where = open_file, where
        with open_file() as file:
            first = file.readline()
        told = re.fullmatch(r"sep=(.)\s*", first)
        self._begin = 2 if told else 1  # Excel's own first line
        usual = max(",;", key=first.count)
        shown = "\t" if tabs or "\t" in first else "|" if usual not in first and "|" in first else usual
        self._delimiter = delimiter or (told[1] if told else shown)
        self._style, self._quoted = self._choose_style(quotes, tabs)
        records = (fields for _, _, fields in self._records(self._style) if fields)
        self.first = [field.strip() for field in next(records, [])]
        # A comma that ends every row, as some programs write it.
        self._ends_empty = all(not fields[-1].strip() for fields in records) and bool(self.first)
        if self._ends_empty and not self.first[-1]:
            del self.first[-1]

    def rows(self, columns: list[str], text_column: str, *, header: bool) -> Iterator[Row]:
        """Yields the rows below the header, if there is one.

        In a row with too many fields all that follows the columns before it is the text, where that is the last column
        and no row encloses such texts in quotes.
        """
        joins = columns[-1] == text_column and not self._quoted
        joined: list[int] = []
        for index, (number, line, fields) in enumerate(self._records(self._style)):
            if header and index == 0:
                continue
            if fields is None:
                yield number, _CANNOT_BE_READ
                continue
            if self._ends_empty and len(fields) == len(columns) + 1 and not fields[-1].strip():
                fields = fields[:-1]
            if joins and len(fields) > len(columns):
                joined.append(number)
                fields = line.split(self._delimiter, len(columns) - 1)
            if len(fields) == len(columns):
                yield number, dict(zip(columns, fields, strict=True))
            else:
                yield number, f"row has {'fewer' if len(fields) < len(columns) else 'more'} columns than the header"
        if joined:
            rows = (
                f"{len(joined):,} rows, the first in line {joined[0]}, have" if joined[1:] else f"line {joined[0]} has"
            )
            log.warning("%s: %s more columns than the header; all that follows is the text", self._where, rows)

    def _records(self, style: str) -> Iterator[_Record]:
        with self._open_file() as file:
            yield from _records(file, self._begin, self._delimiter, style)

    def _choose_style(self, quotes: str, tabs: bool) -> tuple[str, bool]:
        """A style, and whether some field needs its quotes."""
        if quotes:
            return _DOUBLED if quotes == "yes" else _CHARACTERS, quotes == "yes"
        first_broken, needed_by_doubled = 0, False
        for style in (_DOUBLED, _ESCAPED):
            broken, needed, changed, count = 0, False, 0, 0
            for number, line, fields in self._records(style):
                literal = [field.strip() for field in line.split(self._delimiter)]
                count += 1
                changed += fields is not None and [field.strip() for field in fields] != literal
                broken = broken or (number if fields is None else 0)
                needed |= any(
                    mark in field and field not in literal
                    for field in fields or ()
                    for mark in ('"', "\n", self._delimiter)
                )
            if not broken:
                # Writers of TSV enclose what must be, or all.
                return (style, needed) if needed or not tabs or changed >= count - 1 else (_CHARACTERS, False)
            first_broken, needed_by_doubled = first_broken or broken, needed_by_doubled or needed
        if needed_by_doubled:
            return _DOUBLED, True
        log.warning(
            "%s: line %d has a quote that is not closed, so quotes are characters of the text; --quotes=yes if they "
            "enclose fields",
            self._where,
            first_broken,
        )
        return _CHARACTERS, False


def _records(file: io.TextIOWrapper, begin: int, delimiter: str, style: str) -> Iterator[_Record]:
    """The lines that are not empty; several together where a quoted field goes on over them."""
    numbered = ((number, line) for number, line in enumerate(file, start=1) if number >= begin)
    waiting: deque[tuple[int, str]] = deque()

    def take() -> tuple[int, str] | None:
        return waiting.popleft() if waiting else next(numbered, None)

    while (taken := take()) is not None:
        number, line = taken
        if not line.strip():
            continue
        fields = _split([line], delimiter, style)
        more: list[tuple[int, str]] = []
        while fields is None and len(more) < _MOST_LINES and (following := take()) is not None:
            more.append(following)
            if any(is_image(field.strip(' "')) for field in following[1].split(delimiter)):
                break  # a row of its own
            fields = _split([line, *(text for _, text in more)], delimiter, style)
        if fields is None:
            waiting.extendleft(reversed(more))
        yield number, line.rstrip("\r\n"), fields


def _split(lines: list[str], delimiter: str, style: str) -> list[str] | None:
    if style == _CHARACTERS:
        return "".join(lines).rstrip("\r\n").split(delimiter)
    if style == _ESCAPED:
        lines = [re.sub(r'\\(["\\])', lambda mark: mark[1] * (1 + (mark[1] == '"')), line) for line in lines]
    try:
        [fields] = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    except (csv.Error, ValueError):  # ValueError: more than one row in them
        return None
    return fields
