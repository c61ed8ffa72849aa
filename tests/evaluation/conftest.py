"""Folders of runs with readings that a test chooses, and pages read back."""

import html.parser
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hwr_jax.evaluation.evaluate import Evaluation, SampleResult
from hwr_jax.evaluation.summary import summarize
from hwr_jax.evaluation.write import write_readings
from hwr_jax.text.distance import count_edits
from hwr_jax.training.workdir import write_json

Sample = tuple[str, str, str, str]


def make_results(samples: Sequence[Sample]) -> tuple[SampleResult, ...]:
    return tuple(
        SampleResult(
            id=id,
            writer=writer,
            truth=truth,
            prediction=prediction,
            prediction_ids=(),
            confidence=0.5,
            edits=count_edits(truth, prediction),
            loss=1.0,
            loss_excluded=None,
        )
        for id, writer, truth, prediction in samples
    )


@pytest.fixture
def write_run() -> Callable[..., Path]:
    """`write_run(folder, samples, **files)`: samples are (id, writer, truth, prediction)."""

    def write(
        folder: Path,
        samples: Sequence[Sample],
        *,
        split: str = "test",
        data: str = "synthetic",
        split_rule: str | None = "by-writer",
        metrics: Sequence[dict[str, Any]] = (),
        **files: dict[str, Any],
    ) -> Path:
        summary = summarize(
            Evaluation(make_results(samples), {}, 1.0),
            decoder="greedy",
            model=f"{folder.name}@10",
            parameters=1234,
            data=data,
            split=split,
            split_rule=split_rule or "",
        )
        if split_rule is None:  # As older versions wrote it.
            del summary["split_rule"], summary["parameters"]
        write_json(folder / "evaluation" / f"{split}.json", summary)
        write_readings(folder / "evaluation" / f"{split}.tsv", make_results(samples))
        for name, content in files.items():
            write_json(folder / f"{name}.json", content)
        if metrics:
            (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics))
        return folder

    return write


class PageParser(html.parser.HTMLParser):
    """Collects elements and visible text, and fails on elements that are not closed in order."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def parse_page() -> Callable[[str], PageParser]:
    """`parse_page(page)`: its elements and text; fails if it is not well-formed."""

    def parse(page: str) -> PageParser:
        parser = PageParser()
        parser.feed(page)
        assert parser.open == []
        return parser

    return parse
