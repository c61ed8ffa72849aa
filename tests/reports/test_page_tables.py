"""Tables and JSON of read pages."""

import csv
import io
import json

from hwr_jax.reports.page_tables import COLUMNS, describe_page, write_heading, write_rows


def test_a_row_a_word_and_one_for_a_line_whose_words_are_nowhere(example_page):
    table = write_heading() + write_rows(example_page, "a\tb.png", 2)
    rows = list(csv.DictReader(io.StringIO(table), delimiter="\t"))
    assert tuple(rows[0]) == COLUMNS
    texts = [row["text"] for row in rows]
    assert texts == [
        "Où",
        "façade",
        "ő",
        "ğ",
        "Straße",
        "Привет",
        "<x>",
        "&",
        '"y"',
        "no words here",
        *["in", "the", "margin"],
    ]
    assert {row["path"] for row in rows} == {"a\tb.png"}
    assert [row["line"] for row in rows] == ["1"] * 5 + ["2"] * 4 + ["3"] + ["4"] * 3
    assert [row["region"] for row in rows][-4:] == ["1", "2", "2", "2"]
    assert (rows[9]["word"], rows[9]["left"], rows[9]["bottom"]) == ("", "50", "230")
    assert [rows[1][side] for side in ("left", "top", "right", "bottom")] == ["110", "70", "230", "110"]


def test_json_has_all_that_is_known(example_page):
    values = json.loads(json.dumps(describe_page(example_page)))
    assert values["text"] == example_page.text
    assert (values["width"], values["height"], values["quarter_turns"]) == (900, 400, 0)
    assert len(values["regions"]) == 2
    for line, described in zip(example_page.lines, values["lines"], strict=True):
        assert (described["text"], described["region"]) == (line.text, line.region)
        assert described["outline"] == line.outline_Nx2.tolist()
        assert described["baseline"] == line.baseline_Mx2.tolist()
        assert [word["box"] for word in described["words"]] == [list(word.box) for word in line.words]
    assert values["lines"][4]["problem"] == "lies outside the page"
