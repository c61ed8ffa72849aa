"""The readers of test_fuzz_readers.py under atheris, which finds new ways through their code by itself.

    pip install atheris
    python tests/data/fuzz_with_atheris.py alto -runs=10000        # any name of CASES, then libFuzzer's own flags

Ends with a traceback and writes the input as crash-... if a reader raises anything but an error of ours.
"""

import importlib.util
import sys
import tempfile
from pathlib import Path

import atheris

TESTS = Path(__file__).with_name("test_fuzz_readers.py")

with atheris.instrument_imports(include=["hwr_jax"]):
    spec = importlib.util.spec_from_file_location("test_fuzz_readers", TESTS)
    readers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readers)


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name = sys.argv[1]
    root, corpus = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    source, content = readers.write_case(name, root)
    (corpus / "whole").write_bytes(content)

    def read_damaged(data: bytes) -> None:
        (root / readers.CASES[name][2]).write_bytes(data)
        try:
            readers.read_all(name, source)
        except readers.InputError as error:
            assert "\n" not in str(error)  # noqa: PT017

    atheris.Setup([sys.argv[0], *sys.argv[2:], "-timeout=20", "-rss_limit_mb=3000", str(corpus)], read_damaged)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
