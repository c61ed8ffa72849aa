"""Pairs of images and text files, and lists as RIMES has them."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.formats.text_files import parse_pairs, parse_rimes_lines
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (20, 40), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def test_pairs_of_every_habit(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "1.png": png(1), "1.gt.txt": "one\n",
        "2.bin.png": png(2), "2.gt.txt": "\ufefftwo",
        "3.jpg": png(3), "3.txt": "three",
        "4.png": png(4), "4.bin.png": png(5), "4.gt.txt": "four", "4.txt": "not this",
        "5.gt.txt": "no image",
        "6.png": png(6),
        "7.png": png(7), "7.gt.txt": b"\xff",
        "8.png": png(8), "8.gt.txt": "\n",
        "readme.txt": "not a label",
    }  # fmt: skip
    totals: list[int] = []
    outcomes = list(parse_pairs(write(tmp_path, files), workers=1, tell_total=totals.append))
    assert totals == [len(outcomes)] == [8]
    samples = {o.id: o for o in outcomes if isinstance(o, Sample)}
    assert {id: (o.text, o.writer) for id, o in samples.items()} == {
        "1": ("one", "1"), "2": ("two", "2"), "3": ("three", "3"), "4": ("four", "4"),
    }  # fmt: skip
    assert samples["4"].image_bytes() == png(4)
    assert {o.id: o.reason for o in outcomes if isinstance(o, Skip)} == {
        "5": "image: no such file",
        "6": "image without text",
        "7": "text file is not UTF-8",
        "8": "empty label",
    }


def test_a_text_file_may_keep_the_suffix_of_its_image(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"1.png": png(1), "1.png.gt.txt": "one", "2.jpg": png(2), "2.jpg.txt": "two"}
    files |= {"3.png": png(3), "3.png.gt.txt": "png", "3.jpg": png(4), "3.jpg.gt.txt": "jpg"}
    outcomes = list(parse_pairs(write(tmp_path, files), workers=1))
    assert {o.id: (o.text, o.image_bytes()) for o in outcomes if isinstance(o, Sample)} == {
        "1.png": ("one", png(1)), "2.jpg": ("two", png(2)), "3.png": ("png", png(3)), "3.jpg": ("jpg", png(4)),
    }  # fmt: skip
    assert len(outcomes) == 4


def test_texts_of_several_lines_and_photos_of_phones_are_skipped_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40
    files: dict[str, str | bytes] = {"1.png": png(), "1.gt.txt": "a\r\nb\r\n", "2.png": png(), "2.gt.txt": "\na\n\n"}
    files |= {"3.heic": heic, "3.gt.txt": "x", "4.png": png(), "4.gt.txt": "\ufeffé".encode("utf-16-le")}
    outcomes = list(parse_pairs(write(tmp_path, files), workers=1))
    assert {o.id: o.text for o in outcomes if isinstance(o, Sample)} == {"2": "a", "4": "é"}
    assert {o.id: o.reason for o in outcomes if isinstance(o, Skip)} == {
        "1": "label has several lines",
        "3": "image: not an image that can be read, but HEIC, which needs pillow-heif: pip install 'hwr_jax[heic]'; or "
        "save it as JPEG, for example with heif-convert",
    }


def test_the_writer_is_the_folder_or_what_a_pattern_finds(tmp_path: Path) -> None:
    for name in ("anna/p1_1", "anna/p2_1", "bob/p1_1"):
        write(tmp_path, {f"{name}.png": png(), f"{name}.gt.txt": "x"})
    by_folder = [o.writer for o in parse_pairs(tmp_path, workers=1) if isinstance(o, Sample)]
    assert by_folder == ["anna", "anna", "bob"]
    by_page = [o.writer for o in parse_pairs(tmp_path, workers=1, writer_pattern=r"(\w+/p\d)") if isinstance(o, Sample)]
    assert by_page == ["anna/p1", "anna/p2", "bob/p1"]


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pairs in it"):
        list(parse_pairs(write(tmp_path, {"1.png": png(), "readme.txt": "x"}), workers=1))
    with pytest.raises(InputError, match="no such file"):
        list(parse_pairs(tmp_path / "gone", workers=1))


@pytest.fixture
def rimes(tmp_path: Path) -> Path:
    names = (
        "lines/train2011-0-000.png",
        "lines/train2011-0-001.png",
        "lines/train2011-1-000.png",
        "lines/eval_0_0.png",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((10, 30), 200, np.uint8)).save(tmp_path / name)
    (tmp_path / "training_2011.txt").write_bytes(
        "# RIMES\nlines/train2011-0-000.png Je vous \u00e9cris\nlines/train2011-0-001 \u00e0 propos\n"
        "lines/train2011-1-000.png\tSinc\u00e8res salutations\nlines/gone.png x\nnonsense\nlines/train2011-0-000.png\n"
        "../outside.png x\n".encode("latin-1")
    )
    (tmp_path / "eval_2011.txt").write_text("lines/eval_0_0.png test\n")
    return tmp_path


def test_lists_and_their_lines(rimes: Path) -> None:
    totals: list[int] = []
    outcomes = list(parse_rimes_lines(rimes, workers=1, tell_total=totals.append))
    assert totals == [len(outcomes)] == [8]
    samples = {o.id: (o.text, o.writer, o.split) for o in outcomes if isinstance(o, Sample)}
    assert samples == {
        "lines/eval_0_0": ("test", "lines/eval_0", "test"),
        "lines/train2011-0-000": ("Je vous \u00e9cris", "lines/train2011-0", "train"),
        "lines/train2011-0-001": ("\u00e0 propos", "lines/train2011-0", "train"),
        "lines/train2011-1-000": ("Sinc\u00e8res salutations", "lines/train2011-1", "train"),
    }
    assert [(o.id, o.reason) for o in outcomes if isinstance(o, Skip)] == [
        ("lines/gone", "image: no such file"),
        ("training_2011.txt, line 5", "line names no image"),
        ("lines/train2011-0-000", "empty label"),
        ("training_2011.txt, line 7", "line names no image"),
    ]


def test_one_list_alone(rimes: Path) -> None:
    (sample,) = parse_rimes_lines(rimes / "eval_2011.txt", workers=1)
    assert sample.id == "lines/eval_0_0"


def test_what_holds_no_list_is_refused(rimes: Path) -> None:
    with pytest.raises(InputError, match="no list of images in it"):
        list(parse_rimes_lines(rimes / "lines", workers=1))
