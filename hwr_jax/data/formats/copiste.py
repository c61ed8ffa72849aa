"""Copiste d'un jour (BAnQ): contemporary French copied by hand, page scans with ALTO files, CC BY 4.0."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from hwr_jax.data.formats.alto import parse_alto
from hwr_jax.data.formats.pages import Selection, read_pages
from hwr_jax.data.sample import Sample, Skip

# "wikitexte_0066_2", "imp_wikitexte_0022": pages of one number hold one text, copied by (roughly) one hand.
_NUMBER = re.compile(r"wikitexte_(\d+)")
_REFERENCE = re.compile(r"wikitexte[\s_]*\d")
# >text< is struck through; copyists' marks without text, and turned the other way round, occur too.
_STRUCK_THROUGH = re.compile(r">[^<>]*<|<>|^>$")


def read_copiste_lines(
    source: Path, *, workers: int, tell_total: Callable[[int], None] | None = None
) -> Iterator[Sample | Skip]:
    """The lines of the copied texts, as `hwr_jax.data.formats.alto.read_alto_lines` reads them.

    Left out are lines that name the text ("Référence: imp_wikitexte_0022") and those with words struck through, which
    show more ink than their transcription says. The writer is the text's number.

    Args:
      source: copiste.tar, or its unpacked folder.
      workers: processes.
      tell_total: not called.

    Raises:
      InputError: the source is missing or holds no XML file.
    """
    selection = Selection(writer=_NUMBER, why_not=why_not)
    yield from read_pages(source, parse_alto, selection, workers=workers, format_name="ALTO")


def why_not(text: str) -> str | None:
    """The reason why a line is left out, or None."""
    if _REFERENCE.search(text):
        return "reference line"
    return "text struck through" if _STRUCK_THROUGH.search(text) else None
