"""Tables of images: CSV, TSV and JSON lines."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.formats.manifest import parse_manifest
from hwr_jax.data.prepared import load_given_splits, prepare
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import GIVEN_RULE, rule_name
from hwr_jax.errors import InputError

IMAGES = ("a.png", "deep/b.png", "c d.png", "cut.png")


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (20, 40), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "set" / "deep").mkdir(parents=True)
    for seed, name in enumerate(IMAGES):
        (tmp_path / "set" / name).write_bytes(png(seed) if name != "cut.png" else png(seed)[:99])
    (tmp_path / "secret.png").write_bytes(png(9))
    return tmp_path / "set"


def read(source: Path, workers: int = 1, **options: str) -> list[Sample | Skip]:
    return list(parse_manifest(source, workers=workers, **options))


def texts(outcomes: list[Sample | Skip]) -> dict[str, tuple[str, str, str]]:
    return {o.id: (o.text, o.writer, o.split) for o in outcomes if isinstance(o, Sample)}


def reasons(outcomes: list[Sample | Skip]) -> dict[str, str]:
    return {o.id: o.reason for o in outcomes if isinstance(o, Skip)}


ROWS = [
    ("a.png", 'e\u0301t "x"', "w1", "train"),
    ("deep/b.png", "a, b; c", "w2", "dev"),
    ("c d.png", "three", "w1", "Test"),
]
EXPECTED = {
    "a.png": ('\u00e9t "x"', "w1", "train"),
    "deep/b.png": ("a, b; c", "w2", "validation"),
    "c d.png": ("three", "w1", "test"),
}


def write_table(path: Path, header: tuple[str, ...]) -> Path:
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(header, row, strict=True))) for row in ROWS]
        path.write_text("\n".join(lines) + "\n")
        return path
    delimiter = "\t" if path.suffix == ".tsv" else ";" if path.stem == "semicolon" else ","
    lines = [delimiter.join(header)]
    for row in ROWS:
        fields = row if path.suffix == ".tsv" else ['"' + field.replace('"', '""') + '"' for field in row]
        lines.append(delimiter.join(fields))
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    return path


@pytest.mark.parametrize("name", ["data.csv", "semicolon.csv", "data.tsv", "data.jsonl"])
def test_tables_of_every_kind(folder: Path, name: str) -> None:
    path = write_table(folder / name, ("file_name", "text", "writer_id", "split"))
    outcomes = read(path)
    assert texts(outcomes) == EXPECTED
    assert read(folder) == outcomes
    assert read(folder, manifest=name) == outcomes


def test_columns_by_option(folder: Path) -> None:
    path = write_table(folder / "data.csv", ("f", "t", "w", "s"))
    with pytest.raises(InputError, match="which column holds the image"):
        read(path)
    with pytest.raises(InputError, match="no column 'x'; the columns are 'f', 't', 'w', 's'"):
        read(path, image_column="x")
    chosen = {"image_column": "f", "text_column": "t"}
    assert {id: values[1:] for id, values in texts(read(path, **chosen)).items()} == {id: (id, "") for id in EXPECTED}
    assert texts(read(path, **chosen, writer_column="w", split_column="s")) == EXPECTED
    assert set(texts(read(path, **chosen, id_column="t"))) == {row[1] for row in ROWS}


def test_rows_that_cannot_be_used_are_counted(folder: Path) -> None:
    lines = [
        "image,text,split",
        "cut.png,x,train",
        "gone.png,x,train",
        "../secret.png,x,train",
        f"{folder}/a.png,x,train",
        "a.png,,train",
        "a.png,x,holiday",
        "a.png,x",
        "deep/b.png,fine,",
    ]
    (folder / "data.csv").write_text("\n".join(lines))
    outcomes = read(folder)
    assert texts(outcomes) == {"deep/b.png": ("fine", "deep/b.png", "")}
    assert [o.reason for o in outcomes if isinstance(o, Skip)] == [
        "image: damaged image",
        "image: no such file",
        "image: its path leaves the manifest's folder",
        "image: its path leaves the manifest's folder",
        "empty label",
        "split is none of train, validation and test",
        "row has fewer columns than the header",
    ]
    assert outcomes[6].id == "data.csv, line 8"


def test_json_lines_that_cannot_be_used_are_counted(folder: Path) -> None:
    rows = [
        '{"image": "a.png", "text": "x", "writer": 7}',
        '{"image": "a.png"}',
        "[1]",
        "{",
        '{"image": [], "text": "x"}',
    ]
    rows += ['{"image": "deep/b.png", "text": "\\ud800"}', "[" * 100_000]
    (folder / "data.jsonl").write_text("\n".join(rows))
    outcomes = read(folder)
    assert texts(outcomes) == {"a.png": ("x", "7", "")}
    found = [o.reason for o in outcomes if isinstance(o, Skip)]
    broken = "row cannot be read: not a JSON object"
    assert found == ["text missing", broken, broken, "image is no text", "label is not Unicode text", broken]
    assert next(o.id for o in outcomes if isinstance(o, Skip) and o.reason == broken) == "data.jsonl, line 3"


def test_tables_of_splits_in_folders_of_their_own(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "test")):
        (tmp_path / split).mkdir()
        (tmp_path / split / "1.png").write_bytes(png(seed))
        (tmp_path / split / "metadata.csv").write_text("file_name,text\n1.png,x\n")
    assert texts(read(tmp_path)) == {
        "train/1.png": ("x", "train/1.png", "train"),
        "test/1.png": ("x", "test/1.png", "test"),
    }
    (tmp_path / "test" / "more.csv").write_text("file_name,text\n")
    with pytest.raises(InputError, match=r"several tables .* say which with --manifest=NAME$"):
        read(tmp_path)


def test_an_archive_reads_as_its_folder_and_so_do_several_processes(folder: Path, tmp_path: Path) -> None:
    rows = [f"a.png,text {number},i{number}" for number in range(40)]
    (folder / "data.csv").write_text("\n".join(["image,text,id", *rows]))
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("a.png", "data.csv"):
            archive.write(folder / name, f"set/{name}")
    expected = read(folder)
    assert len(texts(expected)) == 40
    for workers in (1, 2):
        found = read(tmp_path / "set.zip", workers=workers)
        assert texts(found) == texts(expected)
        assert [o.image_bytes() for o in found] == [o.image_bytes() for o in expected]


def test_what_is_no_table_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="no table in it"):
        read(folder)
    with pytest.raises(InputError, match="no such file or folder"):
        read(folder / "gone.csv")
    (folder / "data.csv").write_bytes("image,text\na.png,\xe9\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        read(folder)
    with pytest.raises(InputError, match="must be one character"):
        read(folder, delimiter="ab")


def test_given_splits_are_kept_beside_the_splits_by_writer(folder: Path, tmp_path: Path) -> None:
    path = write_table(folder / "data.csv", ("file_name", "text", "writer_id", "split"))
    info = prepare("manifest/mine", path, tmp_path / "data")
    assert info.folder == tmp_path / "data" / "manifest" / "mine" / "1.1.0"
    assert (info.name, info.gives_splits) == ("manifest/mine", True)
    assert load_given_splits("manifest/mine", tmp_path / "data") == {id: v[2] for id, v in EXPECTED.items()}
    assert rule_name("given") == GIVEN_RULE
    other = prepare(
        "manifest/other", path, tmp_path / "data", options={"split_column": "split", "text_column": "split"}
    )
    assert other.characters == "".join(sorted(set("traindevTest")))
    with pytest.raises(InputError, match=r"prepared with other options \(--split_column=split --text_column=split\)"):
        prepare("manifest/other", path, tmp_path / "data", options={"text_column": "text"})
    assert prepare("manifest/other", None, tmp_path / "data").reused
    no_splits = tmp_path / "none.csv"
    no_splits.write_text("image,text\nset/a.png,x\n")
    assert not prepare("manifest/none", no_splits, tmp_path / "data").gives_splits
    with pytest.raises(InputError, match="gives no splits"):
        load_given_splits("manifest/none", tmp_path / "data")


def test_the_real_set_of_german_street_names(real_data) -> None:
    source = real_data / "dhsd.tar"
    if not source.exists():
        pytest.skip("no dhsd.tar among the real data")
    samples = [o for o in parse_manifest(source, workers=1) if isinstance(o, Sample)]
    assert len(samples) == 2565
    assert len({sample.writer for sample in samples}) == 32
    assert samples[0].id == "german_hw_data/writer1/1_0.png"
    assert samples[0].text == "K\u00f6nigshain-Wiederau"


def test_a_folder_of_pairs_is_told_to_be_read_as_such(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.new("L", (9, 9)).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text("x")
    with pytest.raises(InputError, match=r"with --manifest=NAME, or read images with a text file each as pairs$"):
        list(parse_manifest(tmp_path, workers=1))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "cp1252"])
def test_a_table_in_another_encoding_is_told(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.csv").write_bytes("image,text\n1.png,\u00e9\n".encode(encoding))
    with pytest.raises(InputError, match=r"t\.csv: not UTF-8 text; save it as UTF-8$"):
        list(parse_manifest(tmp_path / "t.csv", workers=1))
