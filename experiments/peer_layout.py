"""`python -m experiments.peer_layout`: our line finder and kraken's on the same pages, by the same measures."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from experiments.console import say
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import LINE_FINDER_HELP, Parser, json_path, run
from hwr_jax.data.formats.marked_pages import MarkedPage, read_marked_pages
from hwr_jax.data.sample import Skip
from hwr_jax.errors import InputError
from hwr_jax.evaluation.layout_rates import ALL, ScoredPage, layout_rows, summarize_layout
from hwr_jax.layout.metrics import score_page
from hwr_jax.layout.page_layout import TextLine

_DESCRIPTION = """Finds the lines of pages by our line finder and by kraken's default baseline segmenter, blla.mlmodel,
which comes with kraken, and prints the tables of hwr evaluate-layout for both. Both get the same images; kraken has one
thread; seconds are CPU seconds. kraken is installed in an environment of its own: python3 -m venv kraken &&
kraken/bin/pip install kraken."""
_EPILOG = """example:
  python -m experiments.peer_layout --source=pages/ --python=kraken/bin/python --output=peer_layout.json
"""
_SCRIPT = Path(__file__).parent / "peers" / "kraken_lines.py"


def main(argv: Sequence[str]) -> int:
    """Prints a table for each of the two; kraken is named as skipped where it is not installed."""
    parser = Parser(prog="python -m experiments.peer_layout", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--source", type=Path, required=True, metavar="PATH", help="as hwr evaluate-layout takes it")
    parser.add_argument("--model", metavar="NAME_OR_PATH", help=LINE_FINDER_HELP)
    parser.add_argument("--python", default="", metavar="PATH", help="the Python of kraken's environment")
    parser.add_argument(
        "--kept", type=Path, metavar="FILE.jsonl", help="keep kraken's lines there, and ask once a page"
    )
    parser.add_argument("--only_kept", action="store_true", help="compare on those pages alone that --kept has")
    parser.add_argument("--output", type=json_path, metavar="FILE.json", help="write all numbers there")
    options = parser.parse_args(argv)
    if options.only_kept and not options.kept:
        raise InputError("--only_kept: needs --kept=FILE.jsonl")

    from hwr_jax.line_finder import load_line_finder
    from hwr_jax.training.workdir import write_json

    finder = load_line_finder(options.model)
    with _open_kraken(options.python, options.kept) as kraken:
        scored: dict[str, list[ScoredPage]] = {"hwr_jax": [], "kraken": []}
        for page in read_marked_pages(options.source):
            if isinstance(page, Skip) or not page.lines:
                say(f"{page.id}: left out: {page.reason}" if isinstance(page, Skip) else f"{page.name}: without lines")
                continue
            if options.only_kept and not kraken.knows(page.name):
                continue
            began = time.process_time()
            lines = finder.find(page.image_HxW).lines
            scored["hwr_jax"].append(_score(page, lines, time.process_time() - began))
            found = kraken.find(page)
            if found is not None:
                scored["kraken"].append(_score(page, *found))
            say(f"{page.name}: {len(page.lines)} lines")
    summaries = {name: summarize_layout(pages) for name, pages in scored.items() if pages}
    names = {"hwr_jax": f"hwr_jax, {finder.name}", "kraken": f"kraken {kraken.version}, blla.mlmodel"}
    for name, summary in summaries.items():
        rates = summary["rates"][ALL]
        print(f"{names[name]}: {rates['seconds_per_page']:.2f} CPU seconds a page")
        print(align_columns(layout_rows(summary), right=range(1, 10), rule=True), end="\n\n")
    if "kraken" not in summaries:
        print(f"kraken: skipped: {kraken.problem or 'no pages'}")
    if options.output:
        write_json(options.output, {"names": names, "problem": kraken.problem, **summaries})
    return 0


def _score(page: MarkedPage, lines: Sequence[TextLine], seconds: float) -> ScoredPage:
    height, width = page.image_HxW.shape
    score = score_page(page.lines, lines, width, height, page.uncovered)
    return ScoredPage(page.name, str(PurePosixPath(page.name).parent).removeprefix("."), score, seconds)


class _Kraken:
    """kraken in a process of its own; `problem` says why there is none."""

    def __init__(self, python: str, kept: Path | None) -> None:
        self.version, self.problem, self._kept = "", "", kept
        self._process: subprocess.Popen[str] | None = None
        self._answers: dict[str, dict[str, Any]] = {}
        if kept is not None and kept.exists():
            for row in kept.read_text().splitlines():
                answer = json.loads(row)
                self.version = answer.get("kraken", self.version)
                if "page" in answer:
                    self._answers[answer["page"]] = answer
        self._python = python
        if not python and not self._answers:
            self.problem = "not installed; --python=PATH names the Python of an environment with it"

    def knows(self, name: str) -> bool:
        """Whether the lines of a page are kept."""
        return name in self._answers

    def find(self, page: MarkedPage) -> tuple[list[TextLine], float] | None:
        """The lines of a page and the seconds they took; None where kraken cannot say."""
        answer = self._answers.get(page.name) or self._ask(page)
        if answer is None:
            return None
        if problem := answer.get("problem"):
            say(f"{page.name}: kraken: {problem}")
            return [], float(answer.get("seconds", 0.0))
        lines = [
            TextLine(np.array(outline, np.float64).reshape(-1, 2), np.array(baseline, np.float64).reshape(-1, 2))
            for outline, baseline in answer["lines"]
            if len(outline) > 2 and len(baseline) > 1
        ]
        return lines, float(answer["seconds"])

    def _ask(self, page: MarkedPage) -> dict[str, Any] | None:
        if self.problem or not self._python:
            return None
        with tempfile.TemporaryDirectory() as folder:
            image = Path(folder) / "page.png"
            Image.fromarray(page.image_HxW).save(image)
            process = self._start()
            if process is None or process.stdin is None or process.stdout is None:
                return None
            process.stdin.write(f"{image}\n")
            process.stdin.flush()
            row = process.stdout.readline()
        if not row:
            self.problem = "ended before it answered"
            return None
        answer: dict[str, Any] = json.loads(row) | {"page": page.name, "kraken": self.version}
        if self._kept is not None:
            with self._kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(answer) + "\n")
        return answer

    def _start(self) -> "subprocess.Popen[str] | None":
        if self._process is None:
            one_thread = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            one_thread.pop("PYTHONPATH", None)
            pipe = subprocess.PIPE
            try:
                self._process = subprocess.Popen(
                    [self._python, str(_SCRIPT)], stdin=pipe, stdout=pipe, env=one_thread, text=True
                )
            except OSError as error:
                self.problem = f"{self._python}: {error.strerror or error}"
                return None
            row = self._process.stdout.readline() if self._process.stdout else ""
            if not row:
                self.problem = f"{self._python} has no kraken that starts (pip install kraken)"
                return None
            self.version = json.loads(row)["kraken"]
        return self._process

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            if self._process.stdin:
                self._process.stdin.close()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()


@contextlib.contextmanager
def _open_kraken(python: str, kept: Path | None) -> Iterator[_Kraken]:
    kraken = _Kraken(python, kept)
    try:
        yield kraken
    finally:
        kraken.close()


if __name__ == "__main__":
    sys.exit(run("experiments.peer_layout", main, sys.argv[1:], program=""))
