"""Copiste d'un jour (BAnQ): contemporary French copied by hand, page scans with ALTO files, CC BY 4.0."""

import functools
import re

from hwr_jax.data.formats.alto import parse_alto_lines
from hwr_jax.data.formats.base import DataTerms, Format
from hwr_jax.data.formats.pages import PAGE_ID

# "wikitexte_0066_2", "imp_wikitexte_0022": pages of one number hold one text, copied by (roughly) one hand.
_NUMBER = r"wikitexte_(\d+)"
_REFERENCE = re.compile(r"wikitexte[\s_]*\d")
# >text< is struck through; copyists' marks without text, and turned the other way round, occur too.
_STRUCK_THROUGH = re.compile(r">[^<>]*<|<>|^>$")


def why_not(text: str) -> str | None:
    """The reason why a line is left out, or None."""
    if _REFERENCE.search(text):
        return "reference line"
    return "text struck through" if _STRUCK_THROUGH.search(text) else None


# Left out are lines that name the text ("Référence: imp_wikitexte_0022") and those with words struck through, which
# show more ink than their transcription says.
parse_copiste_lines = functools.partial(parse_alto_lines, writer_pattern=_NUMBER, why_not=why_not)
FORMAT = Format(
    "copiste_lines",
    parse_copiste_lines,
    "Lines of Copiste d'un jour (BAnQ), CC BY 4.0.",
    unit="line",
    page_id=PAGE_ID,
    from_scans=True,
    terms=DataTerms(
        "Copiste d'un jour, Bibliothèque et Archives nationales du Québec (BAnQ)", "CC BY 4.0", "CC BY 4.0"
    ),
)
