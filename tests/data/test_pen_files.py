import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest

from hwr_jax.data.pen_files import is_pen_file, read_pen_file
from hwr_jax.errors import InputError

NOTE = """<?xml version="1.0" standalone="no"?>
<xournal creator="xournalpp 1.2.2" fileversion="4">
<title>Xournal++ document</title>
<page width="595.3" height="841.9"><background type="solid" color="#ffffffff" style="lined"/>
<layer><stroke tool="pen" color="#000000ff" width="1.41 0.8 0.9">10 20 11.5 22 12 25</stroke>
<stroke tool="highlighter" color="#ffff007f" width="8.5">1 1 2 2</stroke><text x="1" y="2">typed</text></layer>
<layer><stroke tool="pen" width="1.41">30 20 30 20</stroke></layer></page>
<page width="595.3" height="841.9"><layer/></page>
<page width="595.3" height="841.9"><layer><stroke tool="pen" width="1">1 2 3 4</stroke></layer></page>
</xournal>"""
INKML = """<ink xmlns="http://www.w3.org/2003/InkML"><definitions/>{format}
<traceGroup><trace>{first}</trace></traceGroup><trace type="penUp">1 1</trace></ink>"""


@pytest.fixture
def write(tmp_path):
    def write(content: bytes | str, name: str = "note.xopp") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_pages_of_xournal(write, pack):
    file = read_pen_file(write(pack(NOTE.encode())))
    assert [page.number for page in file.pages] == [1, 3]
    assert [stroke.tolist() for stroke in file.pages[0].strokes] == [[[10, 20], [11.5, 22], [12, 25]], [[30, 20]] * 2]
    assert file.left_out == {"stroke of the highlighter": 1, "typed text": 1}


@pytest.mark.parametrize(
    ("format", "first", "expected"),
    [
        ("", "1 2, 3 4", [[1, 2], [3, 4]]),
        ("", "10 20,'1'2,3-1", [[10, 20], [11, 22], [14, 21]]),
        # As in the specification: 1125 18432,'23'43,"7"-8,3-5,7 -3,6 2,6 8,3 6 T ...
        ("", "1125 18432,'23'43,\"7\"-8,3-5,7 -3", [[1125, 18432], [1148, 18475], [1178, 18510], [1211, 18540],
                                                    [1251, 18567]]),
        ("", "5 6, * 7, !8 *", [[5, 6], [5, 7], [8, 7]]),
        ('<traceFormat><channel name="T"/><channel name="X"/><channel name="Y" orientation="-ve"/></traceFormat>',
         "100 1 2, 110 3 4", [[1, -2], [3, -4]]),
    ],
)  # fmt: skip
def test_traces_of_inkml(write, format, first, expected):
    file = read_pen_file(write(INKML.format(format=format, first=first), "a.inkml"))
    (page,) = file.pages
    np.testing.assert_allclose(page.strokes, [expected])
    assert file.left_out == {"trace with the pen up": 1}


def test_names_say_which_files_hold_strokes():
    assert is_pen_file("a/b.XOPP")
    assert is_pen_file(Path("x.inkml"))
    assert not is_pen_file("x.png")


def bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return packer.compress(b" " * 200_000_000) + packer.flush()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"empty file \(0 bytes\)"),
        (gzip.compress(b"", mtime=0), "XML is not well formed"),
        (gzip.compress(NOTE.encode(), mtime=0)[:-30], "gzip file that is cut short"),
        (b"\x1f\x8b" + b"x" * 40, "damaged gzip file"),
        (bomb(), "unpacks to more than 32 MiB; refused"),
        (b"<html/>", "<html>, not <xournal>; no note of Xournal"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><xournal/>', "document type"),
        (b"<xournal><page><layer/></page></xournal>", "no pen stroke in it$"),
        (b"<xournal><page><image/><image/></page></xournal>", "no pen stroke in it, only 2 image"),
        (b"<xournal><page><stroke>1 2 3</stroke></page></xournal>", "page 1, stroke 1: not points x y x y"),
        (b"<xournal><page><stroke>1 2 3 z</stroke></page></xournal>", "page 1, stroke 1: not points x y x y"),
        (b"<xournal><page><stroke>1 nan</stroke></page></xournal>", "a coordinate is not a finite number"),
        (b"<xournal><page><stroke/></page></xournal>", "no point"),
    ],
)
def test_damaged_notes_are_named(write, content, message):
    with pytest.raises(InputError, match=message):
        read_pen_file(write(content))


@pytest.mark.parametrize(
    ("format", "first", "message"),
    [
        ("", "1 2, 3", "trace 1, point 1: has 1 value, X or Y is missing"),
        ("", "1 2, 3 q", "trace 1, point 1: cannot be read: '3 q'"),
        ("", "1 T", "trace 1, point 0: X or Y is 'T', no number"),
        ("", " ", "trace 1: has no point"),
        ("", "1e400 1", "trace 1: a coordinate is not a finite number"),
        ('<traceFormat><channel name="X"/></traceFormat>', "1 2", "a trace format without the channels X and Y"),
    ],
)
def test_damaged_inkml_is_named(write, format, first, message):
    with pytest.raises(InputError, match=message):
        read_pen_file(write(INKML.format(format=format, first=first), "a.inkml"))


def test_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_pen_file(tmp_path / "none.xopp")
