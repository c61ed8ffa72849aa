"""TFDS builders: records, splits and summary, without TensorFlow."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from hwr_jax.data.builder import SKIPPED_FILE, SUMMARY_FILE, SamplesBuilder, fingerprint, make_builder_class
from hwr_jax.data.formats.iam import parse_iam_words
from hwr_jax.data.formats.table import FORMATS
from hwr_jax.data.sample import Sample
from hwr_jax.data.splits import SPLIT_RULE, SPLITS, hash_of_ids, split_of
from hwr_jax.errors import InputError

FORMS = 60


def write_iam(root: Path, *, forms: int = FORMS) -> Path:
    """One word a form and no forms.txt, so as many writers as forms; every tenth image is missing."""
    lines = []
    (root / "words").mkdir(parents=True)
    for number in range(forms):
        word_id = f"a01-{number:03d}-00-00"
        lines.append(f"{word_id} ok 1 1 1 1 1 NN word{number}")
        if number % 10:
            path = root / "words" / "a01" / word_id[:7] / f"{word_id}.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(np.full((20, 30 + number), number, np.uint8)).save(path)
    (root / "words.txt").write_text("\n".join(lines))
    return root


def read_samples(source: Path) -> dict[str, Sample]:
    return {outcome.id: outcome for outcome in parse_iam_words(source, workers=1) if isinstance(outcome, Sample)}


def prepare_iam(tmp_path: Path, **kwargs: int) -> SamplesBuilder:
    builder = make_builder_class(FORMATS["iam_words"])(
        data_dir=tmp_path / "data", source=write_iam(tmp_path / "iam", **kwargs)
    )
    builder.download_and_prepare(download_dir=tmp_path / "downloads")
    return builder


def test_there_is_a_builder_for_every_name() -> None:
    assert all(make_builder_class(format).name == name for name, format in FORMATS.items())


def test_records_hold_the_readers_samples_as_encoded_bytes(tmp_path: Path) -> None:
    builder = prepare_iam(tmp_path)
    expected = read_samples(tmp_path / "iam")
    found = set()
    for split in SPLITS:
        for record in builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()}):
            sample = expected[record["id"].decode()]
            assert record["image"] == sample.image_bytes()
            assert record["text"].decode() == sample.text
            assert record["writer"].decode() == sample.writer
            assert split_of(sample.writer) == split
            found.add(sample.id)
    assert found == set(expected)


def test_tfds_opens_the_folder_and_decodes_it_by_itself(tmp_path: Path) -> None:
    builder = prepare_iam(tmp_path)
    opened = tfds.builder_from_directory(builder.data_dir)
    record = opened.as_data_source("train", decoders={"image": tfds.decode.SkipDecoding()})[0]
    image = Image.open(io.BytesIO(record["image"]))
    assert set(record) == {"image", "text", "writer", "id"}
    assert opened.info.features["image"].shape == (None, None, 1)
    assert image.size[1] == 20


def test_the_summary_counts_and_hashes(tmp_path: Path) -> None:
    builder = prepare_iam(tmp_path)
    summary = json.loads(Path(builder.data_dir, SUMMARY_FILE).read_text())
    samples = read_samples(tmp_path / "iam").values()
    assert summary["split_rule"] == SPLIT_RULE
    for split in SPLITS:
        chosen = [sample for sample in samples if split_of(sample.writer) == split]
        assert summary["splits"][split] == {
            "samples": len(chosen),
            "writers": len({sample.writer for sample in chosen}),
            "ids_sha256": hash_of_ids(sample.id for sample in chosen),
        }
    assert sum(split["samples"] for split in summary["splits"].values()) == FORMS * 9 // 10
    assert summary["characters"] == "".join(sorted("word123456789"))
    assert summary["skipped"] == {"image: no such file": FORMS // 10}
    assert summary["source"] == fingerprint(tmp_path / "iam")
    skipped = json.loads(Path(builder.data_dir, SKIPPED_FILE).read_text())
    assert skipped == {f"a01-{number:03d}-00-00": "image: no such file" for number in range(0, FORMS, 10)}


def test_a_split_without_writers_is_left_out(tmp_path: Path) -> None:
    builder = prepare_iam(tmp_path, forms=3)  # two writers, of forms 001 and 002
    splits = {split_of("a01-001"), split_of("a01-002")}
    assert set(builder.info.splits) == splits
    summary = json.loads(Path(builder.data_dir, SUMMARY_FILE).read_text())
    assert {name for name, split in summary["splits"].items() if split["samples"]} == splits


def test_a_source_without_usable_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"iam: no usable sample; 1 x image: no such file \(.*a01-000-00-00\)$"):
        prepare_iam(tmp_path, forms=1)
    assert not (tmp_path / "data" / "iam_words" / "1.1.0").exists()


def test_the_fingerprint_notices_another_source(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.tar", tmp_path / "tree"
    file.write_bytes(b"123")
    folder.mkdir()
    (folder / "words.txt").write_text("one")
    first = (fingerprint(file), fingerprint(folder))
    assert first == (fingerprint(file), fingerprint(folder))
    file.write_bytes(b"1234")
    (folder / "words.txt").write_text("other")
    assert fingerprint(file) != first[0]
    assert fingerprint(folder) != first[1]


def test_neither_tensorflow_nor_jax_is_imported() -> None:
    code = "import sys, hwr_jax.data.prepared; print(sorted({'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (output.stdout, output.stderr) == ("[]\n", "")
