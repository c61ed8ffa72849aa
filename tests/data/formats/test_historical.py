"""Trees with the quirks of BenthamDatasetR0-GT and washingtondb-v1.0."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.formats.historical import parse_bentham, parse_washington, spell_washington
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError


def write(root: Path, texts: dict[str, str], images: tuple[str, ...]) -> Path:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    for name in images:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((20, 40), 255, np.uint8)
        pixels[5:15, 5:30] = 0
        Image.fromarray(pixels).save(root / name)
    return root


def write_bentham(root: Path, **changes: str) -> Path:
    gt = "BenthamDatasetR0-GT"
    texts = {
        # Windows line ends, empty lines, and a line of the list without its files.
        "Partitions/TrainLines.lst": "071_085_001_01_01\r\n\r\n071_085_001_01_02\r\n",
        "Partitions/ValidationLines.lst": "115_002_004_02_03\n",
        "Partitions/TestLines.lst": "116_001_001_01_01\n116_001_001_01_09\n116_001_001_02_01\n",
        "Partitions/TrainPages.lst": "071_085_001\n",
        "Transcriptions/071_085_001_01_01.txt": "Laws &amp; <gap/>  punishments &#163;5\r\n",
        "Transcriptions/071_085_001_01_02.txt": "<gap/>\n",
        "Transcriptions/115_002_004_02_03.txt": "caf\u00e9",
        "Transcriptions/116_001_001_01_01.txt": "a &lt; b",
        "Transcriptions/116_001_001_02_01.txt": "without its image",
    } | changes
    names = ("071_085_001_01_01", "071_085_001_01_02", "115_002_004_02_03", "116_001_001_01_01", "116_001_001_01_09")
    return write(
        root,
        {f"{gt}/{name}": text for name, text in texts.items()},
        tuple(f"{gt}/Images/Lines/{name}.png" for name in names),
    )


def test_bentham_as_it_is_distributed(tmp_path):
    source = write_bentham(tmp_path / "b")
    totals: list[int] = []
    outcomes = list(parse_bentham(source, workers=1, tell_total=totals.append))
    assert totals == [6]
    samples = [(one.id, one.text, one.writer, one.split) for one in outcomes if isinstance(one, Sample)]
    assert samples == [
        ("071_085_001_01_01", "Laws & punishments £5", "071_085_001", "train"),
        ("115_002_004_02_03", "café", "115_002_004", "validation"),
        ("116_001_001_01_01", "a < b", "116_001_001", "test"),
    ]
    assert {one.id: one.reason for one in outcomes if isinstance(one, Skip)} == {
        "071_085_001_01_02": "empty label",
        "116_001_001_01_09": "transcription: no such file",
        "116_001_001_02_01": "image: no such file",
    }


def test_an_archive_gives_what_its_folder_gives(tmp_path):
    source = write_bentham(tmp_path / "b")
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.add(source / "BenthamDatasetR0-GT", "BenthamDatasetR0-GT")
    both = [list(parse_bentham(one, workers=1)) for one in (source, tmp_path / "b.tar")]
    ids = [[(one.id, getattr(one, "text", None)) for one in outcomes] for outcomes in both]
    assert ids[0] == ids[1]


def test_another_layout_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no file Partitions/TrainLines\.lst in it; is this BenthamDatasetR0-GT\?"):
        list(parse_bentham(write(tmp_path, {"a.txt": "a"}, ("1.png",)), workers=1))
    twice = write_bentham(tmp_path / "twice", **{"Partitions/TestLines.lst": "115_002_004_02_03\n"})
    with pytest.raises(InputError, match=r"TestLines\.lst: 115_002_004_02_03 is in the list of validation, too"):
        list(parse_bentham(twice, workers=1))
    none = write_bentham(tmp_path / "none")
    (none / "BenthamDatasetR0-GT/Partitions/ValidationLines.lst").unlink()
    with pytest.raises(InputError, match=r"ValidationLines\.lst: no such list of ids"):
        list(parse_bentham(none, workers=1))


def write_washington(root: Path) -> Path:
    texts = {
        "ground_truth/transcription.txt": "270-01 s_2-7-0-s_pt|L-e-t-t-e-r-s-s_cm\n270-02 O-c-t-o-b-e-r\n\n"
        "271-01 a|b c\n272-05 t-h-e|s_1s_5\n273-01 n-o-n-e\n",
        "sets/cv1/train.txt": "270-01\n",
        "sets/cv1/valid.txt": "270-02\n",
        "sets/cv1/test.txt": "272-05\n",
        "sets/cv2/train.txt": "272-05\n",
        "sets/cv2/valid.txt": "270-02\n",
        "sets/cv2/test.txt": "270-01\n",
    }
    images = tuple(f"data/line_images_normalized/{name}.png" for name in ("270-01", "270-02", "272-05", "273-01"))
    # Those of words must not be taken for those of lines.
    return write(root, texts, (*images, "data/word_images_normalized/270-01.png"))


def test_washington_as_it_is_distributed(tmp_path):
    source = write_washington(tmp_path)
    outcomes = list(parse_washington(source, workers=1))
    assert [(one.id, one.text, one.writer, one.split) for one in outcomes if isinstance(one, Sample)] == [
        ("270-01", "270. Letters,", "270", "train"),
        ("270-02", "October", "270", "validation"),
        ("272-05", "the 1s_5", "272", "test"),
        ("273-01", "none", "273", ""),
    ]
    assert [(one.id, one.reason) for one in outcomes if isinstance(one, Skip)] == [("271-01", "line cannot be read")]
    second = parse_washington(source, workers=1, fold="cv2")
    assert [one.split for one in second if isinstance(one, Sample)] == ["test", "validation", "train", ""]
    with pytest.raises(InputError, match=r"--fold=cv9: .* has the folds cv1, cv2"):
        list(parse_washington(source, workers=1, fold="cv9"))


@pytest.mark.parametrize(
    ("transcription", "text"),
    [
        ("s_GW", "G.W."),
        ("s_et", "V"),
        ("s_s-h-i-p|s_2nd|s_bl-s_lb-s_5-s_br", "ship 2nd (£5)"),
        ("m-e-n-s_qt-s-s_mi-a-s_qo-s_sq", "men's-a:;"),
    ],
)
def test_names_of_characters(transcription, text):
    assert spell_washington(transcription) == text
