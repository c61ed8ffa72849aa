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
    from hwr_jax.reader import Reader, Reading, load
    from hwr_jax.result import Result, evaluate
    from hwr_jax.run import Run, train

__all__ = ["InputError", "Reader", "Reading", "Result", "Run", "__version__", "evaluate", "load", "train"]

# Imported when asked for: `import hwr_jax` is quick and leaves jax alone.
_HOMES = {
    "Reader": "reader",
    "Reading": "reader",
    "load": "reader",
    "Result": "result",
    "evaluate": "result",
    "Run": "run",
    "train": "run",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"hwr_jax.{_HOMES[name]}"), name)
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("hwr_jax")
        except metadata.PackageNotFoundError:
            return "not installed"
    raise AttributeError(f"module 'hwr_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
