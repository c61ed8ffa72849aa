"""The page of readings to check, read back."""

import base64
import io
import re

import numpy as np
from PIL import Image

from hwr_jax.reports.review_page import ReviewItem, build_review_page, encode_image

GREY_HxW = np.random.default_rng(0).integers(0, 256, (300, 900)).astype(np.uint8)
EVIL = "</script><img src=x onerror=alert(1)>\"'&"


def item(name: str, confidence: float, text: str = "word", **values) -> ReviewItem:
    usual = {"alternatives": (), "problem": None, "accepted": False, "image": None}
    characters = values.pop("characters", tuple((character, confidence) for character in text))
    return ReviewItem(name=name, text=text, confidence=confidence, characters=characters, **usual | values)


def names(page: str) -> list[str]:
    return re.findall(r'data-name="(.*?)"', page)


def test_the_least_certain_come_first_and_the_accepted_last(parse_page):
    items = [
        item("sure", 0.99, accepted=True),
        item("middle", 0.6),
        item("lost", 0.0, "", problem="blank"),
        item("doubt", 0.1),
    ]
    page = build_review_page(items, {"model": "mine"}, "1 of 4 accepted")
    assert names(page) == ["lost", "doubt", "middle", "sure"]
    text = " ".join(parse_page(page).text.split())
    for part in ("3 to check of 4 readings, 1 without a text", "modelmine", "1 of 4 accepted.", "blank", "10.0 %"):
        assert part in text
    assert page.count('class="item accepted"') == 1
    assert "show the 1 accepted" in text
    assert "show the" not in build_review_page(items[1:], {})


def test_uncertain_characters_are_marked_the_more_the_less_certain(parse_page):
    characters = (("c", 0.95), ("a", 0.85), ("r", 0.5), ("t", 0.1))
    page = build_review_page([item("x", 0.05, "cart", characters=characters)], {})
    parse_page(page)
    assert re.findall(r'<mark class="(\w+)" title="(.*?)">(.)</mark>', page) == [
        ("doubt1", "85 %", "a"),
        ("doubt2", "50 %", "r"),
        ("doubt3", "10 %", "t"),
    ]


def test_alternatives_have_keys_and_the_text_can_be_changed(parse_page):
    page = build_review_page([item("x", 0.5, "rn", alternatives=("m", ""))], {})
    parsed = parse_page(page)
    assert [attributes["data-text"] for tag, attributes in parsed.tags if "data-text" in attributes] == ["m", ""]
    (field,) = [attributes for tag, attributes in parsed.tags if attributes.get("class") == "text"]
    assert field["value"] == field["data-read"] == "rn"


def test_no_text_becomes_an_element_and_nothing_is_fetched(parse_page):
    evil = item(EVIL, 0.5, EVIL, alternatives=(EVIL,), image=encode_image(GREY_HxW))
    page = build_review_page([evil, item(EVIL, 0.0, "", problem=EVIL)], {EVIL: EVIL}, EVIL)
    parsed = parse_page(page)
    tags = [tag for tag, _ in parsed.tags]
    assert tags.count("script") == 1
    assert tags.count("img") == 1
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    assert EVIL in parsed.text
    assert not re.search(r"https?:|@import|url\(", page)
    (policy,) = [attributes["content"] for tag, attributes in parsed.tags if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'")


def test_the_page_fits_a_telephone(check_on_phone):
    long = "a line of " + "several words and one" + "endless" * 12
    shown = item(
        "a/very/long/path/of/a/page/and/its/line", 0.4, long, alternatives=(long, "b"), image=encode_image(GREY_HxW)
    )
    check_on_phone(build_review_page([shown, item("x", 0.9, accepted=True)], {"model": "mine"}, "1 of 2 accepted"))


def test_no_readings_are_a_page(parse_page):
    assert "no readings" in parse_page(build_review_page([], {})).text


def test_images_are_no_larger_than_they_are_shown():
    for height, width in ((300, 900), (40, 4000), (20, 30), (1, 1)):
        grey_HxW = np.full((height, width), 200, np.uint8)
        uri = encode_image(grey_HxW)
        shown = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
        assert shown.height <= 110
        assert shown.width <= 1800
        assert shown.size == (width, height) or max(shown.height / 110, shown.width / 1800) > 0.98
        assert abs(np.asarray(shown).mean() - 200) < 2
