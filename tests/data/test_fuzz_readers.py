"""Readers over damaged files: an error of ours, or a counted skip, and never anything else.

HWR_TEST_FUZZ_EXAMPLES is the number of damaged files for each reader (default 25).
"""

import io
import os
import resource
import shutil
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hwr_jax.data.formats.alto import parse_alto_lines
from hwr_jax.data.formats.hugging_face import parse_hugging_face
from hwr_jax.data.formats.iam import parse_iam_lines, parse_iam_words
from hwr_jax.data.formats.manifest import parse_manifest
from hwr_jax.data.formats.page_xml import parse_page_lines
from hwr_jax.data.formats.text_files import parse_pairs, parse_rimes_lines
from hwr_jax.data.formats.unipen import parse_unipen_lines, parse_unipen_words
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError

EXAMPLES = int(os.environ.get("HWR_TEST_FUZZ_EXAMPLES", "25"))
# Of one file; a damaged one takes milliseconds, on a machine that does other things too.
MOST_SECONDS = 20.0
MOST_BYTES = 2**30

ALTO = """<?xml version="1.0" encoding="UTF-8"?><alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description>
<MeasurementUnit>pixel</MeasurementUnit><sourceImageInformation><fileName>scan.png</fileName></sourceImageInformation>
</Description><Tags><OtherTag ID="T1" LABEL="default"/></Tags><Layout><Page WIDTH="60" HEIGHT="40"><TextBlock>
<TextLine ID="l1" TAGREFS="T1" HPOS="5" VPOS="5" WIDTH="40" HEIGHT="20" BASELINE="5 20 25 18 45 21"><Shape>
<Polygon POINTS="5 5 45 5 45 25 5 25"/></Shape><String CONTENT="one"/><SP/><String CONTENT="two"/></TextLine>
<TextLine ID="l2" HPOS="5" VPOS="15" WIDTH="40" HEIGHT="20" BASELINE="30"><String CONTENT="three"/></TextLine>
</TextBlock></Page></Layout></alto>"""
PAGE = """<PcGts><Page imageFilename="scan.png" imageWidth="60" imageHeight="40"><TextRegion><TextLine id="l1"
custom="structure {type:heading;}"><Coords points="5,5 45,5 45,25 5,25"/><Baseline points="5,20 25,18 45,21"/>
<TextEquiv index="0"><Unicode>one &amp; two</Unicode></TextEquiv></TextLine><TextLine id="l2"><Coords>
<Point x="5" y="5"/><Point x="45" y="5"/><Point x="45" y="25"/></Coords><Word><TextEquiv><Unicode>three</Unicode>
</TextEquiv></Word></TextLine></TextRegion></Page></PcGts>"""
WORDS = "# words.txt\na01-000u-00-00 ok 154 408 768 27 51 AT A\na01-000u-00-01 err 154 507 766 213 48 NN MOVE to\n"
LINES = "# lines.txt\na01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to\na01-000u-01 err 154 19 408 746 1661 89 a|b\n"
FORMS = "a01-000u 000 2 prt 7 5 52 36\n"
UNIPEN = (
    '.INCLUDE abc/x.dat\n.SEGMENT WORD 0-2 OK "say \\"hi\\@"\n.SEGMENT TEXT 0,2 ? "a b"\n.SEGMENT WORD 0:1-2:0 "c"\n'
)
INK = ".WRITER_ID w1\n.COORD X Y T\n.PEN_DOWN\n0 0 1\n10 20 2\n.PEN_UP\n10 20 3\n.PEN_DOWN\n20 0 5\n30 -2 6\n"
CSV = 'file_name,text,writer_id,split\nscan.png,"one, two",w1,train\nscan.png,three,w2,test\n'
JSON = '{"image": "scan.png", "text": "\\u00e9t", "writer": 7}\n{"image": "scan.png", "text": "b", "split": "dev"}\n'


def scan(kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def parquet_file() -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({"image": [scan()], "text": ["a"]}), buffer)
    return buffer.getvalue()


def arrow_file() -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    buffer = io.BytesIO()
    data = pyarrow.table({"image": [scan()], "text": ["a"]})
    with pyarrow.ipc.new_stream(buffer, data.schema) as writer:
        writer.write_table(data)
    return buffer.getvalue()


def zip_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("set/x.csv", CSV)
        archive.writestr("set/scan.png", scan())
    return buffer.getvalue()


def tar_file() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in (("set/x.csv", CSV.encode()), ("set/scan.png", scan())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


Reader = Callable[..., Iterator[Sample | Skip]]
# Name -> reader, its files (text or bytes, or a function that gives them), and which of them is damaged.
CASES: dict[str, tuple[Reader, dict[str, str | bytes | Callable[[], bytes]], str]] = {
    "alto": (parse_alto_lines, {"p.xml": ALTO, "scan.png": scan}, "p.xml"),
    "page": (parse_page_lines, {"p.xml": PAGE, "scan.png": scan}, "p.xml"),
    "scan": (parse_alto_lines, {"p.xml": ALTO, "scan.png": scan}, "scan.png"),
    "jpeg": (parse_manifest, {"x.csv": "image,text\ns.jpg,a\n", "s.jpg": lambda: scan("JPEG")}, "s.jpg"),
    "tiff": (parse_manifest, {"x.csv": "image,text\ns.tif,a\n", "s.tif": lambda: scan("TIFF")}, "s.tif"),
    "webp": (parse_manifest, {"x.csv": "image,text\ns.webp,a\n", "s.webp": lambda: scan("WEBP")}, "s.webp"),
    "words.txt": (parse_iam_words, {"words.txt": WORDS, "words/a01/a01-000u/a01-000u-00-00.png": scan}, "words.txt"),
    "lines.txt": (parse_iam_lines, {"lines.txt": LINES, "lines/a01/a01-000u/a01-000u-00.png": scan}, "lines.txt"),
    "forms.txt": (parse_iam_lines, {"lines.txt": LINES, "lines/x.png": scan, "forms.txt": FORMS}, "forms.txt"),
    "unipen": (parse_unipen_words, {"data/7/abc/a.dat": UNIPEN, "include/abc/x.dat": INK}, "data/7/abc/a.dat"),
    "unipen ink": (parse_unipen_words, {"data/7/abc/a.dat": UNIPEN, "include/abc/x.dat": INK}, "include/abc/x.dat"),
    "unipen text": (parse_unipen_lines, {"data/8/abc/a.dat": UNIPEN, "include/abc/x.dat": INK}, "include/abc/x.dat"),
    "csv": (parse_manifest, {"x.csv": CSV, "scan.png": scan}, "x.csv"),
    "tsv": (parse_manifest, {"x.tsv": CSV.replace(",", "\t"), "scan.png": scan}, "x.tsv"),
    "json": (parse_manifest, {"x.jsonl": JSON, "scan.png": scan}, "x.jsonl"),
    "pairs": (parse_pairs, {"scan.gt.txt": "one two\n", "scan.png": scan}, "scan.gt.txt"),
    "rimes": (parse_rimes_lines, {"train.txt": "scan.png one two\nscan.png b\n", "scan.png": scan}, "train.txt"),
    "zip": (parse_manifest, {"x.zip": zip_file}, "x.zip"),
    "tar": (parse_manifest, {"x.tar": tar_file}, "x.tar"),
    "parquet": (parse_hugging_face, {"x.parquet": parquet_file}, "x.parquet"),
    "arrow": (parse_hugging_face, {"x.arrow": arrow_file}, "x.arrow"),
}

# Pieces that break parsers: markup, numbers too large to be sizes, bytes that are no text.
PIECES = [
    b"<",
    b"</",
    b'"',
    b"&x;",
    b"<!DOCTYPE a>",
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"-1",
    b"99999999999",
    b"1e309",
]
PIECES += [
    b"nan",
    b"..",
    b"/",
    b"\n",
    b"\r\n",
    b"\t",
    b"|",
    b",",
    b";",
    b"{",
    b"[",
    b"\xc3\xa9",
    b"e\xcc\x81",
    b".PEN_DOWN\n",
]
edits = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from(["insert", "replace", "delete", "repeat", "cut"]),
        st.one_of(st.sampled_from(PIECES), st.binary(min_size=1, max_size=6)),
        st.integers(1, 40),
    ),
    min_size=1,
    max_size=6,
)


def damage(data: bytes, changes: list[tuple[float, str, bytes, int]]) -> bytes:
    for where, kind, piece, length in changes:
        place = int(where * len(data))
        if kind == "insert":
            data = data[:place] + piece + data[place:]
        elif kind == "replace":
            data = data[:place] + piece + data[place + len(piece) :]
        elif kind == "delete":
            data = data[:place] + data[place + length :]
        elif kind == "repeat":
            data = data[:place] + data[place : place + length] * 3 + data[place:]
        else:
            data = data[:place]
    return data


@pytest.fixture
def no_gigabytes() -> Iterator[None]:
    """The process may take a gigabyte more than it has; more is a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def write_case(name: str, root: Path) -> tuple[Path, bytes]:
    """Writes a case's files, whole. Returns the source and the content of the file that is to be damaged."""
    _, files, damaged = CASES[name]
    contents = {
        path: content() if callable(content) else content.encode() if isinstance(content, str) else content
        for path, content in files.items()
    }
    for path, content in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root / damaged if damaged.endswith((".zip", ".tar")) else root, contents[damaged]


def read_all(name: str, source: Path) -> list[Sample | Skip]:
    """What a case's reader makes of the source, which must be samples and skips that can go to disk."""
    reader = CASES[name][0]
    options = {"joined": False} if reader is parse_unipen_lines else {}
    outcomes = []
    for outcome in reader(source, workers=1, **options):
        assert isinstance(outcome, Sample | Skip)
        # What the builders do with it: everything goes to disk as UTF-8.
        outcome.id.encode()
        if isinstance(outcome, Sample):
            (outcome.text + outcome.writer).encode()
            assert outcome.image_bytes()
        else:
            assert "\n" not in outcome.reason
            outcome.reason.encode()
        outcomes.append(outcome)
    return outcomes


@pytest.mark.parametrize("name", CASES)
def test_damaged_files_are_errors_of_ours_or_skips(name: str, no_gigabytes: None) -> None:
    root = Path(tempfile.mkdtemp())
    source, content = write_case(name, root)
    damaged = root / CASES[name][2]
    assert any(isinstance(outcome, Sample) for outcome in read_all(name, source)) or name == "forms.txt"

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(edits)
    def check(changes: list[tuple[float, str, bytes, int]]) -> None:
        damaged.write_bytes(damage(content, changes))
        start = time.monotonic()
        try:
            read_all(name, source)
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
        assert time.monotonic() - start < MOST_SECONDS

    try:
        check()
    finally:
        shutil.rmtree(root)
