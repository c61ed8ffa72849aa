"""Hugging Face data sets on disk, written with pyarrow as the library writes them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.formats.hugging_face import parse_hugging_face
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError

pyarrow = pytest.importorskip("pyarrow")


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (20, 40), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def table(rows: int = 3, first: int = 0):
    images = [{"bytes": png(first + row), "path": None} for row in range(rows)]
    if rows > 2:
        images[2] = {"bytes": None, "path": "elsewhere.png"}
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    return pyarrow.table(
        {
            "image": pyarrow.array(images, kind),
            "label": [f"text {first + row}" for row in range(rows)],
            "writer": list(range(rows)),
            "unused": [[1.0] * row for row in range(rows)],
        }
    )


def write_arrow(path: Path, data, stream: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    make = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
    with make(str(path), data.schema) as writer:
        writer.write_table(data, max_chunksize=2)


def read(source: Path, **options: str) -> list[Sample | Skip]:
    return list(parse_hugging_face(source, workers=1, **options))


@pytest.mark.parametrize("stream", [True, False])
def test_what_save_to_disk_wrote(tmp_path: Path, stream: bool) -> None:
    write_arrow(tmp_path / "train" / "data-00000-of-00001.arrow", table(), stream)
    write_arrow(tmp_path / "test" / "data-00000-of-00001.arrow", table(1, first=7), stream)
    write_arrow(tmp_path / "train" / "cache-1234.arrow", table())
    outcomes = read(tmp_path)
    assert [(o.id, o.text, o.writer, o.split) for o in outcomes if isinstance(o, Sample)] == [
        ("test/data-00000-of-00001.arrow/0", "text 7", "0", "test"),
        ("train/data-00000-of-00001.arrow/0", "text 0", "0", "train"),
        ("train/data-00000-of-00001.arrow/1", "text 1", "1", "train"),
    ]
    assert outcomes[1].image_bytes() == png(0)
    assert [o.reason for o in outcomes if isinstance(o, Skip)] == [
        "image: the table holds its path alone, and there is no such file"
    ]


def test_parquet_files(tmp_path: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(table(2), tmp_path / "validation-00000-of-00001.parquet", row_group_size=1)
    outcomes = read(tmp_path, text_column="label", writer_column="label")
    assert [(o.text, o.writer, o.split) for o in outcomes] == [
        ("text 0", "text 0", "validation"),
        ("text 1", "text 1", "validation"),
    ]
    assert read(tmp_path / "validation-00000-of-00001.parquet", writer_column="label") == outcomes


def test_what_is_no_data_set_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.arrow or \.parquet files"):
        read(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "gone")
    write_arrow(tmp_path / "data.arrow", table())
    whole = (tmp_path / "data.arrow").read_bytes()
    for name, content in (("data.arrow", whole[: len(whole) // 2]), ("data.parquet", b"PAR1 no")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="not a whole data set file"):
            read(tmp_path / name)
    write_arrow(tmp_path / "data.arrow", table().drop_columns(["label"]))
    with pytest.raises(InputError, match="which column holds the text"):
        read(tmp_path / "data.arrow")


def test_paths_lead_to_images_beside_the_table_or_below_the_source(tmp_path: Path) -> None:
    from pyarrow import parquet

    for number, name in enumerate(("data/images/0.png", "scans/1.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(number))
    columns = {
        "beside": [{"bytes": None, "path": "images/0.png"}],
        "below": [{"bytes": None, "path": "/old/machine/scans/1.png"}],
        "texts": ["0.png"],
    }
    for name, images in columns.items():
        parquet.write_table(pyarrow.table({"image": images, "text": [name]}), tmp_path / "data" / f"{name}.parquet")
    found = {o.text: o.image_bytes() for o in read(tmp_path) if isinstance(o, Sample)}
    assert found == {"beside": png(0), "texts": png(0)}
    assert {o.reason for o in read(tmp_path) if isinstance(o, Skip)} == {
        "image: the table holds its path alone, and there is no such file"
    }
    parquet.write_table(pyarrow.table({"image": columns["below"], "text": ["below"]}), tmp_path / "below.parquet")
    assert read(tmp_path / "below.parquet")[0].image_bytes() == png(1)
