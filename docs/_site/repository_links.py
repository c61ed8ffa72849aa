"""A hook of mkdocs: pages of the site for what lies outside docs/, so that links work on a forge and in the site.

README.md is the site's first page. Any other file of the repository that a page links to becomes a page too: Markdown
as it is, code as a block, a notebook with its outputs.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent.parent
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")
# What lies outside docs/ and stands in the site's navigation.
NAMED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "notebooks/first_reader.ipynb": "first_reader.md",
}
WITH_LINKS = (".md", ".ipynb")
LANGUAGES = {".py": "python", ".mjs": "javascript"}


def site_name(path: str) -> str:
    """What a file of the repository is called among the sources of the site."""
    if path in NAMED:
        return NAMED[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"files/{path}" if path.endswith(".md") else f"files/{path}.md"


def linked_files(path: str) -> Iterator[tuple[str, str]]:
    """The links of a Markdown file to files of the repository: as they are written, and as paths from its root."""
    for target in LINK.findall((ROOT / path).read_text(encoding="utf-8")):
        found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if "://" not in target and (ROOT / found).is_file():
            yield target, found


def page_text(path: str) -> str:
    """A file of the repository as Markdown."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".ipynb"):
        return "\n\n".join(part for cell in json.loads(text)["cells"] for part in cell_parts(cell))
    return text if path.endswith(".md") else f"# {path}\n\n" + fenced(text, LANGUAGES.get(Path(path).suffix, ""))


def cell_parts(cell: dict[str, Any]) -> Iterator[str]:
    """A cell of a notebook, and what it printed and drew."""
    source = "".join(cell["source"])
    yield source if cell["cell_type"] == "markdown" else fenced(source, "python")
    for output in cell.get("outputs", ()):
        if "text" in output:
            yield fenced("".join(output["text"]), "text")
        elif "image/png" in output.get("data", {}):
            yield f"![What the cell draws](data:image/png;base64,{''.join(output['data']['image/png'].split())})"


def fenced(text: str, language: str) -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds README.md, and all files outside docs/ that a page links to."""
    wanted = [*NAMED, *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    seen = set(wanted)
    for path in wanted:
        if not path.startswith("docs/"):
            inclusion = InclusionLevel.INCLUDED if path in NAMED else InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, site_name(path), content=page_text(path), inclusion=inclusion))
        if path.endswith(WITH_LINKS):
            new = [found for _, found in linked_files(path) if found not in seen and not is_of_docs(found)]
            seen.update(new)
            wanted += new
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text of a page, its links to files of the repository as links inside the site."""
    uri = page.file.src_uri
    path = {name: path for path, name in NAMED.items()}.get(uri)
    path = path or (uri.removeprefix("files/") if uri.startswith("files/") else f"docs/{uri}")
    if not (ROOT / path).is_file():  # It is one of code.
        return markdown
    known = dict(linked_files(path))
    folder = posixpath.dirname(uri)
    return LINK.sub(
        lambda link: posixpath.relpath(site_name(known[link[0]]), folder or ".") if link[0] in known else link[0],
        markdown,
    )


def is_of_docs(path: str) -> bool:
    """Whether mkdocs finds the file itself."""
    return path.startswith("docs/")
