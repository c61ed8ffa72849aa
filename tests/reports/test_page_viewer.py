"""The page to look at: read back, and in a real browser, by clicks and keys."""

import dataclasses
import re

import numpy as np
import pytest

from hwr_jax.layout.page import Page
from hwr_jax.reports.page_viewer import build_page_viewer

EVIL = "</script><img src=x onerror=alert(1)>\"'&"
WIDTHS = ((1280, 900), (390, 844))


def build(page: Page, title: str = "scan.png", **facts: str) -> str:
    return build_page_viewer(page, np.full((page.height_px, page.width_px), 200, np.uint8), title, facts)


def test_lines_words_and_doubts_are_on_it(example_page, parse_page):
    parsed = parse_page(build(example_page))
    by_class = {name: [a for _, a in parsed.tags if name in a.get("class", "").split()] for name in ("outline", "line")}
    assert [a["data-line"] for a in by_class["outline"]] == [a["data-line"] for a in by_class["line"]] == [*"01234"]
    assert "5 lines, 1 uncertain word" in " ".join(parsed.text.split())
    (doubtful,) = [a for _, a in parsed.tags if "doubt2" in a.get("class", "")]
    assert doubtful["title"] == "50 %"
    for line in example_page.lines:
        assert line.text in " ".join(parsed.text.split())
    assert "not read: lies outside the page" in parsed.text


def test_no_text_becomes_an_element_and_nothing_is_fetched(example_page, parse_page):
    lines = (
        dataclasses.replace(example_page.lines[0], text=EVIL, words=()),
        dataclasses.replace(example_page.lines[1], text="", words=(), problem=EVIL),
    )
    page = build(dataclasses.replace(example_page, lines=lines), EVIL, **{"x": EVIL})
    parsed = parse_page(page)
    tags = [tag for tag, _ in parsed.tags]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    assert parsed.text.count(EVIL) >= 4
    assert not re.search(r"https?:|@import|url\(", page)
    (policy,) = [attributes["content"] for tag, attributes in parsed.tags if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'")


def test_a_page_without_lines_is_a_page(example_page, parse_page):
    assert "no lines" in parse_page(build(dataclasses.replace(example_page, lines=(), regions=()))).text


def test_it_fits_a_telephone(example_page, check_on_phone):
    check_on_phone(build(example_page, "a/very/long/path/of/a/page/" + "endless" * 12))


@pytest.fixture
def look(browser, tmp_path):
    """`look(page, width, height)`: the viewer in a browser; fails on messages in its console."""
    opened = []

    def look(page: Page, width: int = 1280, height: int = 900):
        tab = browser.new_page(viewport={"width": width, "height": height})
        problems: list[str] = []
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("console", lambda message: problems.append(message.text))
        opened.append((tab, problems))
        (tmp_path / "viewer.html").write_text(build(page), encoding="utf-8")
        tab.goto((tmp_path / "viewer.html").as_uri())
        return tab

    yield look
    for tab, problems in opened:
        assert problems == []
        tab.close()


def current(tab) -> list[str]:
    """What is marked in the scan, in the text, and the word."""
    marked = ".outline.current", ".line.current"
    numbers = [tab.eval_on_selector_all(one, "found => found.map((one) => one.dataset.line).join()") for one in marked]
    return [*numbers, tab.eval_on_selector_all(".word.current", "found => found.map((one) => one.textContent).join()")]


@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_a_click_jumps_both_ways(example_page, look, width, height):
    tab = look(example_page, width, height)
    tab.locator(".outline").nth(3).click()
    assert current(tab) == ["3", "3", ""]
    tab.locator(".word", has_text="façade").click()
    assert current(tab) == ["0", "0", "façade"]
    box = tab.locator("#word").bounding_box()
    left, top, right, bottom = example_page.lines[0].words[1].box
    scan = tab.locator(".scan svg").bounding_box()
    scale = scan["width"] / example_page.width_px
    sides = [box["x"] - scan["x"], box["y"] - scan["y"], box["width"], box["height"]]
    np.testing.assert_allclose(sides, np.array([left, top, right - left, bottom - top]) * scale, atol=3)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_keys_go_from_line_to_line_and_to_uncertain_words(example_page, look):
    tab = look(example_page)
    seen = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "n", "Escape", "ArrowDown", "p"):
        tab.keyboard.press(key)
        seen.append(current(tab))
    assert seen == [
        ["0", "0", ""],
        ["1", "1", ""],
        ["0", "0", ""],
        ["1", "1", "<x>"],
        ["1", "1", ""],
        ["2", "2", ""],
        ["1", "1", "<x>"],
    ]


def test_a_long_page_scrolls_to_the_line_that_is_chosen(example_page, look):
    many = [
        dataclasses.replace(
            example_page.lines[0],
            outline_Nx2=example_page.lines[0].outline_Nx2 + np.array([0, 60 * number]),
            baseline_Mx2=example_page.lines[0].baseline_Mx2 + np.array([0, 60 * number]),
            words=(),
        )
        for number in range(80)
    ]
    page = dataclasses.replace(example_page, height_px=5000, lines=tuple(many), regions=example_page.regions[:1])
    tab = look(page)
    tab.locator(".line").nth(70).click()
    inside = "(one) => { const a = one.getBoundingClientRect(); return a.top >= 0 && a.bottom <= innerHeight; }"
    assert tab.locator(".outline").nth(70).evaluate(inside)
    tab.locator(".outline").nth(72).click()
    assert tab.locator(".line").nth(72).evaluate(inside)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_page_stands_upright(example_page, look, turns):
    tab = look(dataclasses.replace(example_page, quarter_turns=turns))
    size = tab.locator(".scan svg").get_attribute("viewBox").split()[2:]
    assert size == (["400", "900"] if turns % 2 else ["900", "400"])
    # Where the image's corner comes to lie when it is turned counterclockwise.
    image, scan = tab.locator("image").bounding_box(), tab.locator(".scan svg").bounding_box()
    np.testing.assert_allclose([image[side] for side in image], [scan[side] for side in image], atol=1)
    first = tab.locator(".outline").nth(0).bounding_box()
    scale = scan["width"] / float(size[0])
    left, top, right, bottom = example_page.lines[0].box
    corner = {1: (top, 900 - right), 2: (900 - right, 400 - bottom), 3: (400 - bottom, left)}[turns]
    found = [(first["x"] - scan["x"]) / scale, (first["y"] - scan["y"]) / scale]
    np.testing.assert_allclose(found, corner, atol=4)
