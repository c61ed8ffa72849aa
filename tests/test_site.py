"""The site of mkdocs.yml: it is built without a warning, and asks no other host for anything."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="pip install -e '.[docs]'")
pytest.importorskip("mkdocstrings", reason="pip install -e '.[docs]'")


@pytest.fixture(scope="module")
def site(repository, tmp_path_factory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={folder}"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_every_page_is_in_the_site_and_its_search(site, repository):
    pages = {path.relative_to(repository / "docs").with_suffix(".html") for path in (repository / "docs").rglob("*.md")}
    pages |= {Path("index.html"), Path("contributing.html"), Path("changelog.html")}
    searched = {entry["location"] for entry in json.loads((site / "search/search_index.json").read_text())["docs"]}
    assert all((site / page).is_file() for page in pages)
    assert {page.as_posix() for page in pages} <= searched


def test_links_to_other_files_of_the_repository_lead_to_copies(site):
    assert 'href="files/examples/tiny.py.html"' in (site / "index.html").read_text(encoding="utf-8")
    assert "import onnxruntime" in re.sub("<[^>]+>", "", (site / "files/examples/onnx/read.py.html").read_text("utf-8"))


def test_the_fields_of_configs_are_described(site):
    assert "samples of a batch, over all devices" in (site / "api/config.html").read_text(encoding="utf-8")


def test_nothing_comes_from_other_hosts(site):
    for page in site.rglob("*.html"):
        tags = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", page.read_text(encoding="utf-8"))
        assert tags
        assert not [tag for tag in tags if re.search(r'(?:src|href)="?(?:https?:)?//', tag)], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", style.read_text(encoding="utf-8")), style.name
