"""Transcriptions in one form: what no one can see in an image should not be two labels."""

import unicodedata

# Typographic marks and what a keyboard has for them.
PLAIN_MARKS = str.maketrans(
    dict.fromkeys("‘’‚‛′‹›ʼ", "'")
    | dict.fromkeys("“”„‟″«»", '"')
    | dict.fromkeys("‐‑‒–—―−", "-")
    | {"…": "...", "\u00ad": ""}
)


def normalize_text(text: str, *, casefold: bool = False, plain_marks: bool = False) -> str:
    """A transcription in NFC, every run of white space (also no-break and thin spaces) one space, none at the ends.

    Args:
      casefold: small letters for capitals, character by character: "ß", which Unicode's own case folding makes "ss",
        stays what is written.
      plain_marks: straight quotes for typographic ones and guillemets, "-" for dashes, "..." for an ellipsis; soft
        hyphens go.
    """
    text = unicodedata.normalize("NFC", text)
    if plain_marks:
        text = text.translate(PLAIN_MARKS)
    if casefold:
        folded = (c.casefold() if len(c.casefold()) == 1 else c.lower() for c in text)
        text = unicodedata.normalize("NFC", "".join(folded))
    return " ".join(text.split())
