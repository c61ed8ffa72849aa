"""What a page says as a whole."""

from hwr_jax.layout.page import Page, box_around


def test_the_text_is_in_reading_order_with_an_empty_line_between_regions(example_page):
    assert example_page.text == 'Où façade ő ğ Straße\nПривет <x> & "y"\nno words here\n\nin the margin'
    assert Page(3, 4, (), ()).text == ""


def test_the_layout_is_that_of_the_lines(example_page):
    layout = example_page.layout
    assert (layout.width_px, layout.height_px, layout.regions) == (900, 400, example_page.regions)
    assert [line.region for line in layout.lines] == [0, 0, 0, 1, 1]
    assert all(a.outline_Nx2 is b.outline_Nx2 for a, b in zip(layout.lines, example_page.lines, strict=True))


def test_a_box_is_upright(example_page):
    assert example_page.lines[0].box == (50, 70, 450, 110)
    assert box_around(example_page.lines[0].baseline_Mx2) == (50, 100, 450, 100)
