"""Tables that readers sort and search, in a real browser."""

import pytest

from hwr_jax.reports.page import render

TEMPLATE = """{% extends "base.html" %}
{% from "macros.html" import heads, sorted_table, table_script %}
{% block body %}
{% call sorted_table("runs", rows | length) %}
{{ heads(("run", "CER")) }}
{% for name, cer in rows %}
<tr><td>{{ name }}</td><td>{{ cer }}<small>1.00 - 2.00</small></td></tr>
{% if cer == ABSENT %}<tr class="more"><td colspan="2">message of {{ name }}</td></tr>{% endif %}
{% endfor %}
{% endcall %}
{% endblock %}
{% block script %}{{ table_script() }}{% endblock %}
"""
ROWS = [
    ("b10", "9.00 %"),
    ("b9", "10.00 %"),
    ("lost", "-"),
    ("a", "1,000.00 %"),
    *((f"c{i}", "20 %") for i in range(6)),
]
ROW_TEXTS = "rows => rows.filter(row => !row.hidden).map(row => row.cells[0].textContent)"


@pytest.fixture
def open_page(browser, tmp_path):
    """`open_page(rows)`: the page with a table of them; it must ask for nothing and fail nowhere."""
    pages, problems = [], []

    def open_rows(rows):
        (tmp_path / "table.html").write_text(TEMPLATE)
        path = tmp_path / "page.html"
        path.write_text(render("table.html", tmp_path, title="table", facts={}, rows=rows))
        page = browser.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_rows
    for page in pages:
        page.close()
    assert not problems


def names(page):
    return page.eval_on_selector_all("table.sorted tr:not(:first-child)", ROW_TEXTS)


def test_a_column_sorts_up_and_down_with_what_is_absent_last(open_page):
    page = open_page(ROWS)
    button = page.get_by_role("button", name="CER")
    button.click()
    up = ["b10", "b9", *(f"c{i}" for i in range(6)), "a", "lost", "message of lost"]
    assert names(page) == up
    assert button.locator("xpath=..").get_attribute("aria-sort") == "ascending"
    button.press("Enter")
    assert names(page) == ["a", *(f"c{i}" for i in range(6)), "b9", "b10", "lost", "message of lost"]
    assert button.locator("xpath=..").get_attribute("aria-sort") == "descending"
    page.get_by_role("button", name="run").press("Space")
    assert names(page)[:3] == ["a", "b9", "b10"]
    assert page.locator("th[aria-sort]").count() == 1


def test_words_find_rows_with_what_belongs_to_them(open_page):
    page = open_page(ROWS)
    field = page.get_by_label("Find in runs")
    status = page.get_by_role("status")
    assert status.text_content() == "10 rows"
    field.fill("MESSAGE lost")
    assert names(page) == ["lost", "message of lost"]
    assert status.text_content() == "1 of 10"
    field.fill("b 10")
    assert names(page) == ["b10", "b9"]
    field.fill("")
    assert len(names(page)) == 11


def test_a_short_table_has_no_field(open_page):
    page = open_page(ROWS[:2])
    assert page.locator("input").count() == 0
    page.get_by_role("button", name="CER").click()
    assert names(page) == ["b10", "b9"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_read_on_its_ground_by_day_and_by_night(open_page, scheme):
    page = open_page(ROWS)
    page.emulate_media(color_scheme=scheme)
    colors = "node => [getComputedStyle(node).color, getComputedStyle(node.closest('section, body')).backgroundColor]"
    text, ground = (
        sum(map(int, color.removeprefix("rgb(").removesuffix(")").split(",")))
        for color in page.eval_on_selector("td", colors)
    )
    assert (text < 200 < 600 < ground) if scheme == "light" else (ground < 200 < 500 < text)
