"""Trees with the quirks of RIMES 2011."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.formats.rimes_pages import parse_rimes_pages
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey

LETTERS = 40


def page(name: str, lines: str) -> str:
    return f'<SinglePage FileName="{name}"><Paragraph><String/>{lines}</Paragraph></SinglePage>'


def line(value: str, box: tuple[object, ...]) -> str:
    edges = " ".join(f'{name}="{edge}"' for name, edge in zip(("Left", "Top", "Right", "Bottom"), box, strict=True))
    return f'<Line Value="{value}" {edges}/>'


def write_rimes(root: Path) -> Path:
    pixels = np.arange(100 * 200, dtype=np.int64).reshape(100, 200) % 251
    # Values with line ends and entities; boxes that leave the image; one without a box, one outside, one empty.
    lines = (
        line("Monsieur &amp;&#10;Madame", (10, 5, 60, 25))
        + line("loin", (-4, 30, 400, 55))
        + line("sans", ("", 30, 400, 55))
        + line("dehors", (300, 30, 400, 55))
        + line(" ", (10, 5, 60, 25))
    )
    training = "".join(
        page(f"images/train2011-{n}.png", lines if n == 0 else line(f"lettre {n}", (0, 0, 50, 20)))
        for n in range(LETTERS)
    )
    testing = page("images_test_2011/eval2011-0.png", line("Fin", (0, 0, 30, 30))) + page(
        "gone.png", line("x", (0, 0, 9, 9))
    )
    files = {"training_2011.xml": training, "eval_2011_annotated.xml": testing}
    for name, pages in files.items():
        text = f'<?xml version="1.0" encoding="iso-8859-1"?><DocumentList>{pages}</DocumentList>'
        root.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="iso-8859-1")
    # The folder that the file names, and another.
    for folder, names in (("images", [f"train2011-{n}" for n in range(LETTERS)]), ("elsewhere", ["eval2011-0"])):
        (root / folder).mkdir()
        for name in names:
            Image.fromarray(pixels.astype(np.uint8)).save(root / folder / f"{name}.png")
    return root


def test_rimes_as_it_is_distributed(tmp_path):
    totals: list[int] = []
    outcomes = list(parse_rimes_pages(write_rimes(tmp_path / "r"), workers=1, tell_total=totals.append))
    samples = {one.id: one for one in outcomes if isinstance(one, Sample)}
    assert totals == [len(outcomes)] == [5 + LETTERS - 1 + 2]
    first = samples["train2011-0_000"]
    assert (first.text, first.writer) == ("Monsieur & Madame", "train2011-0")
    grey = np.arange(100 * 200).reshape(100, 200) % 251
    np.testing.assert_array_equal(open_grey(first.image, "line"), grey[5:25, 10:60])
    np.testing.assert_array_equal(open_grey(samples["train2011-0_001"].image, "line"), grey[30:55])
    assert samples["eval2011-0_000"].split == "test"
    assert {one.id: one.reason for one in outcomes if isinstance(one, Skip)} == {
        "train2011-0_002": "line without a box",
        "train2011-0_003": "box outside the image",
        "train2011-0_004": "empty label",
        "gone_000": "image: no such file",
    }
    training = [one.split for one in samples.values() if one.id.startswith("train")]
    assert set(training) == {"train", "validation"}
    assert training.count("validation") < LETTERS / 4


def test_lines_of_a_letter_stay_in_one_split(tmp_path):
    samples = [one for one in parse_rimes_pages(write_rimes(tmp_path / "r"), workers=1) if isinstance(one, Sample)]
    splits = {(one.writer, one.split) for one in samples}
    assert len(splits) == len({writer for writer, _ in splits})


def test_a_folder_without_rimes_is_refused(tmp_path):
    (tmp_path / "a.xml").write_text("<PcGts/>")
    with pytest.raises(InputError, match="no XML file of RIMES"):
        list(parse_rimes_pages(tmp_path, workers=1))
