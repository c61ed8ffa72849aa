"""Lines named by text lists, as RIMES has them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.formats.text_files import parse_rimes_lines
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError


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
