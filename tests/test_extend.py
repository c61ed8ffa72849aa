"""Every recipe of docs/extend.md runs as it is printed, in a folder outside the checkout."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

PAGE = Path(__file__).parent.parent / "docs" / "extend.md"
MOST_LINES = 40
SECTIONS = dict(re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPES = {title: text for title, text in SECTIONS.items() if "```python" in text}

# Added to `hwr train`, so that a run takes seconds.
SMALL = (
    "--config.data.writers=40",
    "--config.data.words_per_writer=4",
    "--config.data.batch_size=8",
    "--config.data.workers=1",
    "--config.model.conv_features=(2,2)",
    "--config.model.dense_features=4",
    "--config.model.lstm_features=(4,)",
    "--config.training.steps=3",
)


def draw_images(folder: Path) -> None:
    """What the recipes read: word.png, and scans/WRITER_TEXT.png of forty writers."""
    (folder / "scans").mkdir()
    texts = ("house", "tree")
    names = [folder / "scans" / f"writer{writer}_{text}.png" for writer in range(40) for text in texts]
    for path in [folder / "word.png", *names]:
        image = Image.fromarray(np.full((40, 120), 255, np.uint8))
        ImageDraw.Draw(image).text((10, 10), path.stem.rpartition("_")[2], fill=0)
        image.save(path)


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_runs_outside(title, tmp_path, run_environment):
    draw_images(tmp_path)
    blocks = BLOCK.findall(RECIPES[title])
    for code in (block for language, block in blocks if language == "python"):
        name = re.match(r"# (\w+\.py)\n", code)[1]
        assert len(code.splitlines()) <= MOST_LINES, f"{name} is too long"
        (tmp_path / name).write_text(code, encoding="utf-8")
    [commands] = (block for language, block in blocks if not language)
    for line in commands.replace("\\\n", " ").splitlines():
        program, *argv = shlex.split(line, comments=True)
        start = [sys.executable, "-m", "hwr_jax.commands.main"] if program == "hwr" else [sys.executable]
        small = SMALL if argv[0] == "train" else ()
        done = subprocess.run(
            [*start, *argv, *small], cwd=tmp_path, env=run_environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{line}\n{done.stderr[-3000:]}"
    if title == "A tracker":
        assert re.fullmatch(r"my_tracker\t3\t\d+\.\d{4}\n", (tmp_path / "validations.tsv").read_text())


def test_all_parts_have_a_recipe():
    parts = ["An encoder", "A loss", "An augmentation", "An evaluator", "A tracker", "A data format", "A decoder"]
    assert list(RECIPES) == parts
