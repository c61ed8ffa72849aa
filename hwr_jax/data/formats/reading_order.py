"""The order in which the lines of a page are read, as ALTO and PAGE XML say it."""

import itertools
import re
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

# Transkribus: custom="readingOrder {index:3;} ...".
_CUSTOM_INDEX = re.compile(r"readingOrder\s*\{[^}]*\bindex:\s*(\d{1,9})")


def alto_order(root: Element, page: Element) -> list[list[int]]:
    """Blocks of line numbers, from 0, by the file's ReadingOrder (4.3), else by its blocks' IDNEXT, else as given."""
    return _blocks(page, "ID", ordered_names(root) or _follow(page))


def ordered_names(root: Element) -> list[str]:
    """The IDs that an ALTO file's ReadingOrder names."""
    return [name for element in root.iterfind("ReadingOrder//*") for name in element.get("REF", "").split()]


def page_xml_order(page: Element) -> list[list[int]]:
    """Blocks of line numbers, by the page's ReadingOrder, else as they stand.

    Lines of a region that all have an index in their attribute `custom` are in that order.
    """
    order = page.find("ReadingOrder")
    return _blocks(page, "id", [] if order is None else list(_region_references(order)))


def _region_references(group: Element) -> Iterable[str]:
    if reference := group.get("regionRef"):
        yield reference
    for child in sorted(group, key=index_of):
        yield from _region_references(child)


def index_of(element: Element) -> int:
    """The number in an element's attribute `index`, 0 if it has none."""
    index = element.get("index", "")
    return int(index) if re.fullmatch(r"\d{1,9}", index) else 0


def _follow(page: Element) -> list[str]:
    """The blocks' IDs along IDNEXT, from each block that none leads to; none if no block leads on."""
    following = {block.get("ID", ""): block.get("IDNEXT", "") for block in page.iter() if block.get("IDNEXT")}
    led_to = set(following.values())
    names = [name for block in page.iter() if (name := block.get("ID", ""))] if following else []
    references: dict[str, None] = {}
    for name in names:
        if name in following and name not in led_to:
            while name and name not in references:
                references[name] = None
                name = following.get(name, "")
    return list(references)


def _blocks(page: Element, id_attribute: str, references: Sequence[str]) -> list[list[int]]:
    """Lines of what is referred to in its order, each with the nearest around it, then all others; by their regions."""
    numbers = {line: number for number, line in enumerate(page.iter("TextLine"))}
    parents = {child: parent for parent in page.iter() for child in parent}
    ranks = {name: rank for rank, name in reversed(list(enumerate(references)))}

    def rank(line: Element) -> int:
        element: Element | None = line
        while element is not None:
            if (found := ranks.get(element.get(id_attribute, ""))) is not None:
                return found
            element = parents.get(element)
        return len(references)

    lines: list[Element] = []
    for _, run in itertools.groupby(numbers, key=lambda line: id(parents.get(line))):
        lines += lines_by_index(list(run))
    lines.sort(key=rank)
    groups = itertools.groupby(lines, key=lambda line: id(parents.get(line)))
    return [[numbers[line] for line in group] for _, group in groups]


def lines_by_index(lines: list[Element]) -> list[Element]:
    found = {line: match for line in lines if (match := _CUSTOM_INDEX.search(line.get("custom", "")))}
    return sorted(lines, key=lambda line: int(found[line][1])) if len(found) == len(lines) else lines
