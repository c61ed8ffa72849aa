"""The font of labels beside drawn samples: one that has the letters of labels, not Pillow's own, which knows ASCII."""

import functools

from PIL import ImageFont

# Found wherever the system keeps its fonts.
_WIDE_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "FreeSans.ttf",
    "Arial.ttf",
    "arial.ttf",
    "Helvetica.ttc",
)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@functools.cache
def load_label_font(size_px: int) -> Font:
    """A font of this size with accented letters, or where the system has none, Pillow's own."""
    for name in _WIDE_FONTS:
        try:
            return ImageFont.truetype(name, size_px)
        except OSError:
            continue
    return ImageFont.load_default(size_px)


def printable(text: str, font: Font) -> str:
    """The text as the font can show it: letters that it has not are escaped, "\\xe9" for "é"."""
    return "".join(c if c.isascii() or not _is_missing(c, font) else c.encode("unicode_escape").decode() for c in text)


@functools.lru_cache(4096)
def _is_missing(character: str, font: Font) -> bool:
    """Whether the font draws what it draws for a character that no font has."""
    return bytes(font.getmask(character)) == bytes(font.getmask("\U0010fffe")) and not character.isspace()
