"""notebooks/ runs from top to bottom, with fewer steps; what is committed has its outputs, and is small."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

NOTEBOOK = "notebooks/first_reader.ipynb"


@pytest.fixture
def notebook(repository) -> dict:
    """The notebook as it is committed."""
    return json.loads((repository / NOTEBOOK).read_text(encoding="utf-8"))


def test_the_committed_notebook_has_outputs_and_is_small(notebook, repository):
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert (repository / NOTEBOOK).stat().st_size < 1_000_000


def test_no_output_names_a_place_of_its_machine(notebook):
    printed = json.dumps([cell.get("outputs") for cell in notebook["cells"]])
    assert not re.search(r"/(?:home|root|tmp|Users)/", printed)


def test_links_lead_somewhere(notebook, repository):
    text = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    assert links
    assert all((repository / "notebooks" / link).is_file() for link in links)


def test_the_notebook_runs(repository, run_environment, tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="pip install -e '.[docs]'")
    nbformat = pytest.importorskip("nbformat", reason="pip install -e '.[docs]'")
    pytest.importorskip("ipykernel", reason="pip install -e '.[docs]'")
    read = nbformat.read(repository / NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(read, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # of hwr
    client.execute(env=run_environment | {"HWR_NOTEBOOK_STEPS": "8", "PATH": path})
    assert (tmp_path / "runs/first/report.html").is_file()
