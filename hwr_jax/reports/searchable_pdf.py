"""Searchable PDF files of pages that were read: the image, and over it the text, which nobody sees and searches find.

It is written here, object by object (ISO 32000-1:2008), since what makes such a file right is its font, which libraries
that write PDFs take from a font file and so lose every letter that the file lacks. The font here has no shapes at all:
each character of the document gets a number and a Unicode value (`ToUnicode`), whatever its script, as Tesseract does.
"""

import math
import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from hwr_jax.layout.page import Line, Page, Word

# All characters are half as wide as the font is high, in thousandths of it, before a word is stretched to its box.
_GLYPH_WIDTH, _ASCENT, _DESCENT = 500, 800, -200
# Of the height of a line's outline that of its font: the outline holds what reaches above and below.
_FONT_HEIGHTS = 0.75
_POINTS_AN_INCH = 72
_MOST_CHARACTERS = 65_535
_CMAP_ROWS = 100  # what a block of a ToUnicode table may hold


class PdfWriter:
    """Collects the pages of a document, and then writes it."""

    def __init__(self, producer: str) -> None:
        """`producer` is named as the program that made the file."""
        self._producer = producer
        self._objects: list[bytes] = [b"", b"", b""]  # catalog, pages and font come last, but have the first numbers
        self._pages: list[int] = []
        self._codes: dict[str, int] = {}

    def add_page(self, page: Page, jpeg: bytes, *, color: bool, points: tuple[float, float]) -> None:
        """Adds a page.

        Args:
          page: what it says; its points are pixels of its image.
          jpeg: the image, encoded.
          color: whether it has three channels, and not one.
          points: width and height of the page on paper, 72 points an inch.
        """
        space = "DeviceRGB" if color else "DeviceGray"
        image = self._add_stream(
            f"/Type /XObject /Subtype /Image /Width {page.width_px} /Height {page.height_px} "
            f"/ColorSpace /{space} /BitsPerComponent 8 /Filter /DCTDecode",
            jpeg,
        )
        width, height = points
        drawn = f"q {width:.3f} 0 0 {height:.3f} 0 0 cm /Im0 Do Q\n" + "".join(self._text(page, points))
        content = self._add_stream("/Filter /FlateDecode", zlib.compress(drawn.encode()))
        turned = f" /Rotate {-90 * page.quarter_turns % 360}" if page.quarter_turns % 4 else ""
        resources = f"<< /XObject << /Im0 {image} 0 R >> /Font << /F0 3 0 R >> >>"
        described = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width:.3f} {height:.3f}]{turned} "
            f"/Contents {content} 0 R /Resources {resources} >>"
        )
        self._pages.append(self._add(described.encode()))

    def finish(self) -> bytes:
        """The file."""
        kids = " ".join(f"{number} 0 R" for number in self._pages)
        self._objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
        self._objects[1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(self._pages)} >>".encode()
        self._objects[2] = self._font()
        info = self._add(f"<< /Producer {_text_string(self._producer)} >>".encode())
        parts, offsets, length = [b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"], [], 0
        for number, content in enumerate(self._objects, start=1):
            length += len(parts[-1])
            offsets.append(length)
            parts.append(b"%d 0 obj\n%b\nendobj\n" % (number, content))
        length += len(parts[-1])
        rows = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
        count = len(offsets) + 1
        trailer = f"trailer\n<< /Size {count} /Root 1 0 R /Info {info} 0 R >>\nstartxref\n{length}\n%%EOF\n"
        return b"".join([*parts, f"xref\n0 {count}\n0000000000 65535 f \n{rows}{trailer}".encode()])

    def _text(self, page: Page, points: tuple[float, float]) -> Iterator[str]:
        yield "BT 3 Tr\n"
        scale_2 = np.array(points) / (page.width_px, page.height_px)
        for line in page.lines:
            angle, size = _angle(line), _font_size(line, float(scale_2[1]))
            turn = f"{math.cos(angle):.5f} {math.sin(angle):.5f} {-math.sin(angle):.5f} {math.cos(angle):.5f}"
            for word in _placed_words(line):
                (x, y), length = _place(line, word)
                stretch = 100 * length * float(scale_2[0]) / (len(word.text) * size * _GLYPH_WIDTH / 1000)
                x, y = x * float(scale_2[0]), points[1] - y * float(scale_2[1])
                codes = "".join(f"{self._code(character):04X}" for character in f"{word.text} ")
                yield f"/F0 {size:.3f} Tf {max(stretch, 1):.2f} Tz {turn} {x:.3f} {y:.3f} Tm <{codes}> Tj\n"
        yield "ET\n"

    def _code(self, character: str) -> int:
        """The number of a character in this document, from 1; 0 for those that find no room."""
        if character not in self._codes and len(self._codes) < _MOST_CHARACTERS:
            self._codes[character] = len(self._codes) + 1
        return self._codes.get(character, 0)

    def _font(self) -> bytes:
        program = _font_program()
        file = self._add_stream(f"/Length1 {len(program)} /Filter /FlateDecode", zlib.compress(program))
        # Every character is drawn as glyph 1, which has no shape.
        glyphs = zlib.compress(b"\0\0" + b"\0\1" * len(self._codes))
        to_glyph = self._add_stream("/Filter /FlateDecode", glyphs)
        to_unicode = self._add_stream("/Filter /FlateDecode", zlib.compress(self._unicode_map().encode()))
        described = self._add(
            f"<< /Type /FontDescriptor /FontName /Unseen /Flags 4 /FontBBox [0 {_DESCENT} {_GLYPH_WIDTH} {_ASCENT}] "
            f"/ItalicAngle 0 /Ascent {_ASCENT} /Descent {_DESCENT} /CapHeight {_ASCENT} /StemV 80 "
            f"/FontFile2 {file} 0 R >>".encode()
        )
        descendant = self._add(
            "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Unseen "
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
            f"/FontDescriptor {described} 0 R /DW {_GLYPH_WIDTH} /CIDToGIDMap {to_glyph} 0 R >>".encode()
        )
        return (
            "<< /Type /Font /Subtype /Type0 /BaseFont /Unseen /Encoding /Identity-H "
            f"/DescendantFonts [{descendant} 0 R] /ToUnicode {to_unicode} 0 R >>"
        ).encode()

    def _unicode_map(self) -> str:
        rows = [f"<{code:04X}> <{text.encode('utf-16-be').hex().upper()}>" for text, code in self._codes.items()]
        blocks = (rows[start : start + _CMAP_ROWS] for start in range(0, len(rows), _CMAP_ROWS))
        mapped = "".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar\n" for block in blocks)
        return (
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
            "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
            f"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n{mapped}"
            "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
        )

    def _add(self, content: bytes) -> int:
        """The number of a new object."""
        self._objects.append(content)
        return len(self._objects)

    def _add_stream(self, entries: str, content: bytes) -> int:
        head = f"<< {entries} /Length {len(content)} >>\nstream\n".encode()
        return self._add(b"".join([head, content, b"\nendstream"]))


def _placed_words(line: Line) -> Sequence[Word]:
    """The words that are somewhere; else the whole line as one."""
    placed = [word for word in line.words if word.box is not None]
    if len(placed) == len(line.words) > 0:
        return placed
    return [Word(line.text, line.confidence, line.box)] if line.text else []


def _angle(line: Line) -> float:
    """Of the baseline, counterclockwise, in radians."""
    right, down = (line.baseline_Mx2[-1] - line.baseline_Mx2[0]).tolist()
    return -math.atan2(down, right)


def _font_size(line: Line, scale: float) -> float:
    """In points: a share of the outline's height across the baseline."""
    angle = _angle(line)
    across_N = line.outline_Nx2 @ np.array([math.sin(angle), math.cos(angle)])
    return max(float(np.ptp(across_N)) * scale * _FONT_HEIGHTS, 1.0)


def _place(line: Line, word: Word) -> tuple[tuple[float, float], float]:
    """Where on the baseline a word begins, in pixels of the page, and how long it is."""
    assert word.box is not None
    angle = _angle(line)
    along_2 = np.array([math.cos(angle), -math.sin(angle)])
    axis = 0 if abs(along_2[0]) >= abs(along_2[1]) else 1
    low, high = word.box[axis], word.box[axis + 2]
    begin = low if along_2[axis] >= 0 else high
    order = np.argsort(line.baseline_Mx2[:, axis], kind="stable")
    other = float(np.interp(begin, line.baseline_Mx2[order, axis], line.baseline_Mx2[order, 1 - axis]))
    return ((begin, other) if axis == 0 else (other, begin)), max((high - low) / abs(float(along_2[axis])), 1.0)


def _text_string(text: str) -> str:
    return f"<FEFF{text.encode('utf-16-be').hex().upper()}>"


def _font_program() -> bytes:
    """A TrueType font of two glyphs without a shape."""
    version, magic, box = 0x10000, 0x5F0F3CF5, (0, _DESCENT, _GLYPH_WIDTH, _ASCENT)
    head = struct.pack(">IIIIHHQQhhhhHHhhh", version, version, 0, magic, 0, 1000, 0, 0, *box, 0, 8, 2, 0, 0)
    hhea = struct.pack(">IhhhHhhhhhhhhhhhH", version, _ASCENT, _DESCENT, 0, _GLYPH_WIDTH, *[0] * 11, 2)
    maxp = struct.pack(">IH13H", version, 2, *[0] * 13)
    tables = {
        b"glyf": b"\0" * 4,
        b"head": head,
        b"hhea": hhea,
        b"hmtx": struct.pack(">HhHh", _GLYPH_WIDTH, 0, _GLYPH_WIDTH, 0),
        b"loca": struct.pack(">3H", 0, 0, 0),
        b"maxp": maxp,
    }
    directory, body = [], b""
    start = 12 + 16 * len(tables)
    for tag, content in tables.items():
        padded = content + b"\0" * (-len(content) % 4)
        directory.append(struct.pack(">4sIII", tag, _checksum(padded), start + len(body), len(content)))
        body += padded
    searched = 1 << (len(tables).bit_length() - 1)
    power = searched.bit_length() - 1
    top = struct.pack(">IHHHH", 0x10000, len(tables), 16 * searched, power, 16 * (len(tables) - searched))
    return b"".join([top, *directory, body])


def _checksum(content: bytes) -> int:
    return sum(struct.unpack(f">{len(content) // 4}I", content)) & 0xFFFFFFFF
