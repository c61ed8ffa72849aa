"""UNIPEN words, read from small trees in the original format."""

import io
import os
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.archives import read_tar
from hwr_jax.data.formats.unipen import InkSegment, parse_unipen_words, read_ink_segments
from hwr_jax.data.formats.unipen_ink import InkError, ink_strokes, read_components, segments_of_kind
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import split_of
from hwr_jax.errors import InputError
from hwr_jax.ink.strokes import draw_strokes, encode_png, pen_width_for

DOC = ".VERSION 1.0\n.DATA_ID abc\n free text with .PEN_DOWN in it\n.COORD X Y T\n"
# Components 0 (ink), 1 (pen up), 2 (ink), 3 (ink), 4 (ink, one point). The empty blocks count for nothing.
INK = """.WRITER_ID w001
.HAND R
.PEN_DOWN
0 0 1
10 20 2
.PEN_UP
10 20 3
500 500 4
.PEN_DOWN

.PEN_UP
.PEN_DOWN
20 0 5
30 20 6
40 0 7
.DT 100
.PEN_DOWN
60 0 8
70 18 9
.PEN_UP
.PEN_DOWN
80 -1 10
"""
STROKES = {
    0: [[0, 0], [10, 20]],
    2: [[20, 0], [30, 20], [40, 0]],
    3: [[60, 0], [70, 18]],
    4: [[80, -1]],
}
DATA = r""".VERSION 1.0
.INCLUDE abc/abc.doc
.INCLUDE abc/data/abc7_0000_0.dat
.SEGMENT WORD 0-2 OK "Abc"
.SEGMENT WORD	3 ? "d"
.SEGMENT WORD 0-4 BAD "never"
.SEGMENT WORD 0,3-4 GOOD "say \"\\\@hi\@\@		"
.SEGMENT WORD 1 OK "air"
.SEGMENT WORD 3-9 OK "gone"
.SEGMENT WORD 0 OK "\@"
.SEGMENT WORD zero OK "x"
.SEGMENT WORD 0:1-2:0 OK "part"
.SEGMENT TEXT 0-4 OK "not a word"
.SEGMENT WORD 0-4 OK "unclosed
.SEGMENT WORD 3-2 OK "back"
"""
TEXTS = {"0": "Abc", "1": "d", "3": 'say "\\hi', "8": "part"}
REASONS = {
    "2": "quality BAD",
    "4": "no ink",
    "5": "component missing",
    "6": "empty label",
    "7": "segment line cannot be read",
    "9": "segment line cannot be read",
    "10": "component missing",
}


def write_tree(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def small_tree(root: Path, **changed: str | bytes) -> Path:
    files: dict[str, str | bytes] = {
        "data/7/abc/abc7_0000.dat": DATA,
        "include/abc/abc.doc": DOC,
        "include/abc/data/abc7_0000_0.dat": INK,
    }
    return write_tree(root, files | changed)


def read(source: Path, workers: int = 1) -> list[Sample | Skip]:
    return list(parse_unipen_words(source, workers=workers))


def simple_file(contributor: str, number: int, words: list[tuple[str, str]], writer: str) -> dict[str, str]:
    """A data file of words of one stroke each, given as (label, "x y x y ...")."""
    stem = f"{contributor}7_{number:04d}"
    lines = [f".INCLUDE {contributor}/data/{stem}_0.dat"]
    lines += [f'.SEGMENT WORD {index} OK "{label}"' for index, (label, _) in enumerate(words)]
    ink = [f".WRITER_ID {writer}"]
    for _, numbers in words:
        values = numbers.split()
        ink += [".PEN_DOWN", *(" ".join(values[i : i + 2]) for i in range(0, len(values), 2)), ".PEN_UP"]
    return {
        f"data/7/{contributor}/{stem}.dat": "\n".join(lines) + "\n",
        f"include/{contributor}/data/{stem}_0.dat": "\n".join(ink) + "\n",
    }


def test_components_count_the_blocks_that_have_coordinates() -> None:
    components = read_components([DOC.encode(), INK.encode()])
    assert [component.is_ink for component in components] == [True, False, True, True, True]
    for index, points in STROKES.items():
        np.testing.assert_array_equal(components[index].points(), points)


def test_components_go_on_over_included_files() -> None:
    components = read_components([b".PEN_DOWN\n1 2\n.PEN_UP\n", b".PEN_UP\n3 4\n", b".PEN_DOWN\n5 6\n"])
    assert [(component.is_ink, component.points().tolist()) for component in components] == [
        (True, [[1, 2]]),
        (False, [[3, 4]]),
        (True, [[5, 6]]),
    ]


@pytest.mark.parametrize(
    ("coord", "row"), [("X Y", "3 4"), ("X Y T P", "3 4 7 9"), ("T X Y", "7 3 4"), ("Y X", "4 3"), ("NONSENSE", "3 4")]
)
def test_columns_come_from_coord(coord: str, row: str) -> None:
    (component,) = read_components([f".COORD {coord}\n.PEN_DOWN\n{row}\n".encode()])
    assert component.points().tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("0-4", [STROKES[0], STROKES[2], STROKES[3], STROKES[4]]),
        ("2", [STROKES[2]]),
        ("0-1,3", [STROKES[0], STROKES[3]]),
        ("3-4,0", [STROKES[3], STROKES[4], STROKES[0]]),
        ("0:1-2:0", [STROKES[0][1:], STROKES[2][:1]]),
        ("2:1-3", [STROKES[2][1:], STROKES[3]]),
        ("0-2:1", [STROKES[0], STROKES[2][:2]]),
        ("2-2:0", [STROKES[2][:1]]),
        ("2:1-2:2,4", [STROKES[2][1:], STROKES[4]]),
        ("2:1", [STROKES[2][1:2]]),
    ],
)
def test_component_lists(chosen: str, expected: list[list[list[float]]]) -> None:
    strokes, writer = ink_strokes(read_components([DOC.encode(), INK.encode()]), chosen)
    assert [stroke.tolist() for stroke in strokes] == expected
    assert writer == "w001"


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ("1", "no ink"),
        ("5", "component missing"),
        ("0-99999999999", "component missing"),
        ("2:3-3", "component missing"),
        ("0-2:3", "component missing"),
        ("2-0", "component missing"),
        ("0--2", "component list cannot be read"),
        ("0,", "component list cannot be read"),
        ("-", "component list cannot be read"),
    ],
)
def test_component_lists_that_lead_nowhere(chosen: str, reason: str) -> None:
    with pytest.raises(InkError, match=f"^{reason}$"):
        ink_strokes(read_components([DOC.encode(), INK.encode()]), chosen)


@pytest.mark.parametrize("bad", [b"1 2\n3 x\n", b"1 2\n3\n", b"1 nan\n", b"\x00\x01\xff\n"])
def test_damaged_coordinates_spoil_only_their_own_component(bad: bytes) -> None:
    components = read_components([b".PEN_DOWN\n" + bad + b".PEN_UP\n.PEN_DOWN\n5 6\n"])
    assert ink_strokes(components, "1")[0][0].tolist() == [[5, 6]]
    with pytest.raises(InkError, match="damaged coordinates"):
        ink_strokes(components, "0-1")


def test_a_segment_without_quality_is_read() -> None:
    (segment,) = segments_of_kind('.SEGMENT WORD 3-4 "abc"\n', "WORD")
    assert segment is not None
    assert (segment.components, segment.quality, segment.label) == ("3-4", "?", "abc")


def test_ids_texts_writers_and_reasons(tmp_path: Path) -> None:
    outcomes = read(small_tree(tmp_path))
    samples = {outcome.id: outcome for outcome in outcomes if isinstance(outcome, Sample)}
    skips = {outcome.id: outcome.reason for outcome in outcomes if isinstance(outcome, Skip)}
    assert {key: sample.text for key, sample in samples.items()} == {
        f"unipen/abc/abc7_0000/{index}": text for index, text in TEXTS.items()
    }
    assert skips == {f"unipen/abc/abc7_0000/{index}": reason for index, reason in REASONS.items()}
    assert {sample.writer for sample in samples.values()} == {"w001"}


def test_images_are_the_pen_down_strokes_turned_upright(tmp_path: Path) -> None:
    sample = read(small_tree(tmp_path))[0]
    assert isinstance(sample, Sample)
    strokes = [np.array(STROKES[index], float) * (1, -1) for index in (0, 2)]
    expected = draw_strokes(strokes, pen_width_px=pen_width_for(sample.id))
    assert sample.image == encode_png(expected)
    assert expected.shape == (64, Image.open(io.BytesIO(sample.image)).width)


def test_strokes_come_with_the_ids_and_skips_of_the_images(tmp_path: Path) -> None:
    source = small_tree(tmp_path)
    segments, samples = list(read_ink_segments(source, "WORD")), read(source)
    assert [one.id for one in segments] == [one.id for one in samples]
    assert [type(one) for one in segments] == [InkSegment if isinstance(one, Sample) else Skip for one in samples]
    first = next(one for one in segments if isinstance(one, InkSegment))
    upright = [np.array(STROKES[component]) * (1, -1) for component in (0, 2)]
    assert [stroke.tolist() for stroke in first.strokes] == [stroke.tolist() for stroke in upright]


def test_a_dash_keeps_its_size_beside_the_writers_words(tmp_path: Path) -> None:
    tall = "0 0 0 100 50 0 100 100"
    words = [("NN", tall), ("N", tall), ("-", "0 50 30 50"), ("N", tall)]
    outcomes = read(write_tree(tmp_path, simple_file("abc", 0, words, "w001")))
    word, dash = outcomes[0], outcomes[2]
    assert isinstance(word, Sample)
    assert isinstance(dash, Sample)
    # Half the words' height stands for the small letters: the dash is drawn at twice the words' scale, not to fill.
    pen_px = pen_width_for(dash.id)
    scale = (64 - 2 - pen_px) / 50
    assert Image.open(io.BytesIO(dash.image)).width == pytest.approx(30 * scale + 2 + pen_px, abs=1)
    assert dash.image == encode_png(
        draw_strokes([np.array([[0, -50.0], [30, -50]])], pen_width_px=pen_px, reference_height=50.0)
    )


def test_words_of_a_writer_share_a_scale_across_files(tmp_path: Path) -> None:
    tall = "0 0 0 100 50 0 100 100"
    files = simple_file("abc", 0, [("N", tall)] * 3, "w001") | simple_file("abc", 1, [("-", "0 50 30 50")], "w001")
    dash = read(write_tree(tmp_path / "same", files))[-1]
    files = simple_file("abc", 0, [("N", tall)] * 3, "w001") | simple_file("abc", 1, [("-", "0 50 30 50")], "w002")
    alone = read(write_tree(tmp_path / "other", files))[-1]
    assert isinstance(dash, Sample)
    assert isinstance(alone, Sample)
    assert dash.id == alone.id == "unipen/abc/abc7_0001/0"
    assert Image.open(io.BytesIO(dash.image)).width < Image.open(io.BytesIO(alone.image)).width


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
@pytest.mark.parametrize("prefix", ["", "unipen/", "cd/train_r01_v07/"])
def test_an_archive_reads_as_its_tree(tmp_path: Path, mode: str, prefix: str) -> None:
    tree = small_tree(tmp_path / "tree")
    with tarfile.open(tmp_path / "archive", mode) as archive:
        # Included files before the data files that name them, and after.
        archive.add(tree / "include", f"{prefix}include")
        archive.add(tree / "data", f"{prefix}data")
    assert read(tmp_path / "archive") == read(tree)


def test_the_parent_of_the_tree_will_do(tmp_path: Path) -> None:
    small_tree(tmp_path / "unipen")
    write_tree(tmp_path, {"unrelated/file.txt": "x", "notes.txt": "y"})
    assert read(tmp_path) == read(tmp_path / "unipen")


def test_workers_change_nothing(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {}
    for number in range(6):
        files |= simple_file("abc", number, [("N", "0 0 0 9 5 0 9 9"), ("-", f"0 5 {number + 2} 5")], f"w{number % 4}")
    tree = write_tree(tmp_path, files)
    assert len(read(tree)) == 12
    assert read(tree, workers=2) == read(tree, workers=1)


def test_the_total_is_told_first(tmp_path: Path) -> None:
    totals: list[int] = []
    words = parse_unipen_words(small_tree(tmp_path), workers=1, tell_total=totals.append)
    next(words)
    assert totals == [DATA.count(".SEGMENT")]


def test_labels_are_nfc_in_utf8_and_latin1(tmp_path: Path) -> None:
    words = simple_file("abc", 0, [("Muschel", "0 0 5 5")], "w001")
    for name, label in (("utf8", "Mu\u0308ll".encode()), ("latin1", "M\u00fcll".encode("latin-1"))):
        tree = write_tree(tmp_path / name, dict(words))
        path = tree / "data/7/abc/abc7_0000.dat"
        path.write_bytes(path.read_bytes().replace(b"Muschel", label))
        (sample,) = read(tree)
        assert isinstance(sample, Sample)
        assert sample.text == "M\u00fcll"


def test_a_missing_included_file_skips_the_words_of_its_data_file(tmp_path: Path) -> None:
    tree = small_tree(tmp_path)
    write_tree(tree, simple_file("def", 0, [("fine", "0 0 5 5")], "w002"))
    (tree / "include/abc/data/abc7_0000_0.dat").unlink()
    outcomes = read(tree)
    assert [outcome.id for outcome in outcomes if isinstance(outcome, Sample)] == ["unipen/def/def7_0000/0"]
    skips = [outcome for outcome in outcomes if isinstance(outcome, Skip)]
    assert [skip.id for skip in skips] == [f"unipen/abc/abc7_0000/{index}" for index in range(11)]
    assert {skip.reason for skip in skips} == {"included file missing"}


def test_a_name_that_climbs_out_of_include_is_missing(tmp_path: Path) -> None:
    (tmp_path / "secret.dat").write_text(".WRITER_ID w1\n.PEN_DOWN\n1 1\n5 5\n")
    files = {"data/7/abc/abc7_0000.dat": '.INCLUDE ../../secret.dat\n.SEGMENT WORD 0 OK "x"\n'}
    assert read(write_tree(tmp_path / "tree", dict(files))) == [Skip("unipen/abc/abc7_0000/0", "included file missing")]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_an_included_file_cut_short_costs_only_what_it_lost(tmp_path: Path, share: float) -> None:
    whole = {outcome.id: outcome for outcome in read(small_tree(tmp_path / "whole"))}
    cut = read(small_tree(tmp_path / "cut", **{"include/abc/data/abc7_0000_0.dat": INK[: int(share * len(INK))]}))
    assert [outcome.id for outcome in cut] == list(whole)
    lost = {"component missing", "damaged coordinates", "no ink"}
    for outcome in cut:
        if isinstance(outcome, Skip) and outcome != whole[outcome.id]:
            assert outcome.reason in lost
    assert any(isinstance(outcome, Skip) and isinstance(whole[outcome.id], Sample) for outcome in cut)


def test_a_data_file_that_is_garbage_or_empty_is_one_skip(tmp_path: Path) -> None:
    tree = small_tree(tmp_path)
    write_tree(tree, {"data/7/abc/abc7_0001.dat": bytes(range(256)), "data/7/abc/abc7_0002.dat": b""})
    skips = [outcome for outcome in read(tree) if outcome.id.endswith(("0001", "0002"))]
    assert skips == [Skip(f"unipen/abc/abc7_000{number}", "data file without words") for number in (1, 2)]


def test_ink_without_a_writer_is_skipped(tmp_path: Path) -> None:
    tree = write_tree(tmp_path, simple_file("abc", 0, [("word", "0 0 5 5")], ""))
    assert read(tree) == [Skip("unipen/abc/abc7_0000/0", "writer unknown")]


def test_coordinates_too_large_to_draw_are_skipped(tmp_path: Path) -> None:
    tree = write_tree(tmp_path, simple_file("abc", 0, [("word", "0 0 1e300 5"), ("word", "0 0 5 5")], "w1"))
    outcomes = read(tree)
    assert outcomes[0] == Skip("unipen/abc/abc7_0000/0", "strokes cannot be drawn")
    assert isinstance(outcomes[1], Sample)


def test_wrong_sources_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_tree(tmp_path, {"text.txt": "hello", "only8/data/8/abc/abc8_0000.dat": "", "only8/include/abc/abc.doc": ""})
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        archive.add(tmp_path / "text.txt", "text.txt")
    for name, message in (
        ("missing", "missing: no such file or folder"),
        ("empty", "empty: no UNIPEN words"),
        ("only8", "only8: no UNIPEN words"),
        ("other.tar", "other.tar: no UNIPEN words"),
        ("text.txt", "text.txt: neither a folder nor an archive"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_two_trees_in_one_folder_are_refused(tmp_path: Path) -> None:
    small_tree(tmp_path / "one")
    small_tree(tmp_path / "two")
    with pytest.raises(InputError, match="2 UNIPEN trees"):
        read(tmp_path)


def test_an_archive_cut_short_is_an_error(tmp_path: Path) -> None:
    noise = "\n".join(f"{i * i % 9973} {i * i % 9967}" for i in range(20_000))
    tree = small_tree(tmp_path / "tree", **{"include/abc/data/noise.dat": noise})
    with tarfile.open(tmp_path / "archive.tar.xz", "w:xz") as archive:
        archive.add(tree, "unipen")
    content = (tmp_path / "archive.tar.xz").read_bytes()
    (tmp_path / "archive.tar.xz").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cut short or damaged"):
        read(tmp_path / "archive.tar.xz")


def test_a_contributor_of_the_real_archive(real_data: Path, tmp_path: Path) -> None:
    files = read_tar(real_data / "unipen.tar.xz", lambda name: "/dar" in name)
    tree = write_tree(tmp_path, {file.name: file.read() for file in files})
    outcomes = read(tree, workers=2)
    samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    assert Counter(outcome.reason for outcome in outcomes if isinstance(outcome, Skip)) == Counter()
    assert [sample.text for sample in samples[:5]] == ["In", "my", "freshman", "year", ","]
    assert len({sample.writer for sample in samples}) == 2
    for sample in samples:
        image = Image.open(io.BytesIO(sample.image_bytes()))
        assert (image.mode, image.height) == ("L", 64)


@pytest.mark.full
@pytest.mark.skipif(not os.environ.get("HWR_TEST_FULL"), reason="reads all of UNIPEN; runs with HWR_TEST_FULL=1")
def test_the_real_archive(real_data: Path) -> None:
    source = real_data / "unipen.tar.xz"
    outcomes = list(parse_unipen_words(source, workers=os.cpu_count() or 1, cut_lines=True))
    written = [outcome for outcome in outcomes if not outcome.id.startswith("cut/")]
    samples = [outcome for outcome in written if isinstance(outcome, Sample)]
    assert Counter(outcome.reason for outcome in written if isinstance(outcome, Skip)) == {"quality BAD": 679}
    assert len(samples) == len({sample.id for sample in samples}) == 73_339
    assert len({sample.writer for sample in samples}) == 386
    cut = [outcome for outcome in outcomes[len(written) :] if isinstance(outcome, Sample)]
    assert len(cut) == len({sample.id for sample in cut}) == 41_802
    assert len({sample.writer for sample in cut}) == 300
    assert {split_of(sample.writer) for sample in cut} == {"train"}
