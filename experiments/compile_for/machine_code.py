"""What is known of our own kernels in a TPU program, of which the compiler estimates nothing: their machine code."""

import re
from pathlib import Path

_BODY = re.compile(r'"body":"([^"]*)"')
# Of a file that holds the code of one operation.
_ALL_OF_ONE = re.compile(rf"([\d.]+) scheduled bundles \(100\.00%\): .*?{_BODY.pattern}", re.DOTALL)


def read_bundles(folder: Path) -> dict[str, int]:
    """Instructions of the code of each kernel, by its body: equal kernels of a program have one code."""
    return {
        found[2]: round(float(found[1]))
        for path in folder.glob("*schedule-analysis_final_bundles.txt")
        for found in _ALL_OF_ONE.finditer(path.read_text())
    }


def find_body(text: str) -> str:
    """The body of a kernel in the text of its operation; "" of another operation."""
    found = _BODY.search(text)
    return found[1] if found else ""
