"""Our line finder beside kraken's: a stand-in for kraken's Python answers as the script in its environment does."""

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.layout.page_layout import PageLayout, TextLine

PAGE = """<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"><Metadata/>
<Page imageFilename="{name}.png" imageWidth="100" imageHeight="60"><TextRegion id="r"><TextLine id="a">
<Coords points="10,10 90,10 90,30 10,30"/><Baseline points="10,26 90,26"/></TextLine></TextRegion></Page></PcGts>"""
KRAKEN = """#!{python}
import sys
print('{{"kraken": "1.2"}}', flush=True)
for number, row in enumerate(sys.stdin):
    assert row.endswith("page.png\\n")
    print({answers}[number], flush=True)
"""
LINES = '{"lines": [[[[10, 10], [90, 10], [90, 30], [10, 30]], [[10, 26], [90, 26]]]], "seconds": 2.0}'


class NoLines:
    name = "none"

    def find(self, page_HxW):
        baseline_Mx2 = np.array([(0.0, 50), (20, 50)])
        outline_Nx2 = np.concatenate([baseline_Mx2, baseline_Mx2[::-1] + np.array([0, 5])])
        return PageLayout(100, 60, (TextLine(outline_Nx2, baseline_Mx2),), ())


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = types.ModuleType("hwr_jax.line_finder")
    module.load_line_finder = lambda name: NoLines()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hwr_jax.line_finder", module)
    folder = tmp_path / "pages"
    folder.mkdir()
    for name in "ab":
        Image.fromarray(np.full((60, 100), 200, np.uint8)).save(folder / f"{name}.png")
        (folder / f"{name}.xml").write_text(PAGE.format(name=name))
    return folder


def fake_python(folder: Path, answers: list[str]) -> str:
    path = folder / "python"
    path.write_text(KRAKEN.format(python=sys.executable, answers=repr(answers)))
    path.chmod(0o755)
    return str(path)


def run_peer(*arguments: str) -> int:
    from experiments.peer_layout import main

    return main(arguments)


def test_both_are_measured_alike(source, tmp_path, capsys):
    python = fake_python(tmp_path, [LINES, '{"problem": "RuntimeError: no"}'])
    output, kept = tmp_path / "peer.json", tmp_path / "kept.jsonl"
    arguments = [f"--source={source}", f"--output={output}", f"--kept={kept}"]
    assert run_peer(*arguments, f"--python={python}") == 0
    said = capsys.readouterr()
    assert "b: kraken: RuntimeError: no" in said.err
    numbers = json.loads(output.read_text())
    assert numbers["kraken"]["rates"]["all"]["f1"] == pytest.approx(2 / 3)
    assert numbers["kraken"]["rates"]["all"]["baseline_recall"] == 0.5
    assert numbers["hwr_jax"]["rates"]["all"]["f1"] == 0
    assert "kraken 1.2" in said.out
    # What was kept is not asked again, also where kraken is no longer there.
    assert run_peer(*arguments, "--only_kept") == 0
    assert json.loads(output.read_text())["kraken"] == numbers["kraken"]


@pytest.mark.parametrize("python", [[], ["--python=/none/python"], ["--python=/bin/true"]])
def test_kraken_is_skipped_where_it_is_absent(source, python, capsys):
    assert run_peer(f"--source={source}", *python) == 0
    said = capsys.readouterr().out
    assert "kraken: skipped: " in said
    assert "hwr_jax, none" in said
