"""A reader as one HTML page: the files of `browser/`, and a model's weights, put into one."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hwr_jax.reports.page import render

BROWSER = Path(__file__).resolve().parent / "browser"
# In the order in which they need one another.
_SCRIPTS = ("network.js", "preprocessing.js", "strokes.js", "decoding.js", "reader.js", "page.js")


def build_page(about: Mapping[str, Any], weights: bytes, *, what: str, parameters: int, version: str) -> str:
    """The page's text.

    Args:
      about: what its scripts know of the model, JSON values: `docs/export.md` lists them.
      weights: as `hwr_jax.models.browser_model` packs them.
      what: the page reads, for people: "one word".
      parameters: how many the model has.
      version: of hwr_jax.
    """
    # No "<" within a script, which could end it.
    about_json = json.dumps(about, ensure_ascii=False).replace("<", "\\u003c")
    return render(
        "reader.html",
        BROWSER,
        about=about,
        about_json=Markup(about_json),
        code=Markup("\n".join((BROWSER / name).read_text(encoding="utf-8") for name in _SCRIPTS)),
        kernels=_base64((BROWSER / "kernels.wasm").read_bytes()),
        parameters=f"{parameters:,}",
        style=Markup((BROWSER / "page.css").read_text(encoding="utf-8")),
        version=version,
        weights=_base64(weights),
        what=what,
    )


def _base64(content: bytes) -> Markup:
    return Markup(base64.b64encode(content).decode())
