"""Labels can be read on the sheets, whatever fonts there are."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from hwr_jax.ink import label_font
from hwr_jax.ink.label_font import load_label_font, printable


@pytest.fixture
def only_pillows(monkeypatch):
    """A system without fonts."""
    monkeypatch.setattr(label_font, "_WIDE_FONTS", ("no such font.ttf",))
    load_label_font.cache_clear()
    yield load_label_font(16)
    load_label_font.cache_clear()


def test_without_a_system_font_letters_are_escaped(only_pillows):
    assert printable('Straße, "été"', only_pillows) == 'Stra\\xdfe, "\\xe9t\\xe9"'


def test_ascii_stays_with_any_font():
    text = "".join(map(chr, range(32, 127)))
    assert printable(text, load_label_font(16)) == text
    assert printable(text, ImageFont.load_default(16)) == text


def test_what_is_shown_is_told_apart():
    font = load_label_font(16)

    def draw(text):
        image = Image.new("L", (80, 24), 255)
        ImageDraw.Draw(image).text((2, 2), printable(text, font), font=font, fill=0)
        return np.asarray(image).tobytes()

    drawn = {draw(text) for text in "eéèêëßœŒñ"}
    assert len(drawn) == 9
