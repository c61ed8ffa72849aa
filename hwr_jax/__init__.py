"""hwr_jax: handwriting recognition in JAX.

```
import hwr_jax

run = hwr_jax.train("quickstart", "runs/quickstart")
print(run.status, run.evaluation.cer)
reader = hwr_jax.load("unipen_words")
print(reader.read("word.png")[0].text)
```
"""

import importlib
from typing import TYPE_CHECKING, Any

from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.adaptation import Adaptation, adapt
    from hwr_jax.layout.page import Page
    from hwr_jax.reader import Reader, Reading
    from hwr_jax.result import Result, evaluate
    from hwr_jax.routed_reader import load
    from hwr_jax.run import Run, train

__all__ = [
    "Adaptation",
    "InputError",
    "Page",
    "Reader",
    "Reading",
    "Result",
    "Run",
    "__version__",
    "adapt",
    "evaluate",
    "load",
    "train",
]

# Imported when asked for: `import hwr_jax` is quick and leaves jax alone.
_NAMES = {
    "adaptation": ("Adaptation", "adapt"),
    "layout.page": ("Page",),
    "reader": ("Reader", "Reading"),
    "result": ("Result", "evaluate"),
    "routed_reader": ("load",),
    "run": ("Run", "train"),
}


def __getattr__(name: str) -> Any:
    for home, names in _NAMES.items():
        if name in names:
            return getattr(importlib.import_module(f"hwr_jax.{home}"), name)
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("hwr_jax")
        except metadata.PackageNotFoundError:
            return "not installed"
    raise AttributeError(f"module 'hwr_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
