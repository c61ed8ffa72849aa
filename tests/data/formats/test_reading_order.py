"""The order in which lines are read."""

import pytest

from hwr_jax.data.formats.reading_order import alto_order, page_xml_order
from hwr_jax.data.safe_xml import parse_xml

# Regions r1 (lines 0, 1), r2 (line 2) with r3 (line 3) inside, r4 (line 4).
REGIONS = """<TextRegion id="r1"><TextLine id="a"/><TextLine id="b"/></TextRegion>
  <TextRegion id="r2"><TextLine id="c"/><TextRegion id="r3"><TextLine id="d"/></TextRegion></TextRegion>
  <TextRegion id="r4"><TextLine id="e"/></TextRegion>"""
BLOCKS = """<TextBlock ID="r1"{0}><TextLine ID="a"/><TextLine ID="b"/></TextBlock>
  <ComposedBlock ID="r2"{1}><TextBlock ID="r3"{2}><TextLine ID="c"/></TextBlock></ComposedBlock>
  <TextBlock ID="r4"{3}><TextLine ID="d"/><TextLine ID="e"/></TextBlock>"""
STANDING = [[0, 1], [2], [3], [4]]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("", STANDING),
        ("<ReadingOrder/>", STANDING),
        (
            """<ReadingOrder><OrderedGroup id="g"><RegionRefIndexed index="10" regionRef="r1"/>
            <RegionRefIndexed index="9" regionRef="r4"/></OrderedGroup></ReadingOrder>""",
            [[4], [0, 1], [2], [3]],
        ),
        (
            """<ReadingOrder><OrderedGroup id="g"><OrderedGroupIndexed index="0" regionRef="r2">
            <RegionRefIndexed index="0" regionRef="r3"/></OrderedGroupIndexed>
            <UnorderedGroupIndexed index="1"><RegionRef regionRef="r4"/><RegionRef regionRef="r1"/>
            </UnorderedGroupIndexed></OrderedGroup></ReadingOrder>""",
            [[2], [3], [4], [0, 1]],
        ),
        (
            """<ReadingOrder><UnorderedGroup id="g"><RegionRef regionRef="r3"/><RegionRef regionRef="gone"/>
            <RegionRef regionRef="r3"/></UnorderedGroup></ReadingOrder>""",
            [[3], [0, 1], [2], [4]],
        ),
    ],
)
def test_page_xml(order: str, expected: list[list[int]]) -> None:
    page = parse_xml(f"<Page>{order}{REGIONS}</Page>".encode(), "x")
    assert page_xml_order(page) == expected


def test_lines_with_an_index() -> None:
    def page(*indices: str) -> list[list[int]]:
        lines = "".join(f'<TextLine custom="{index}"/>' for index in indices)
        return page_xml_order(parse_xml(f"<Page><TextRegion>{lines}</TextRegion></Page>".encode(), "x"))

    assert page("readingOrder {index:2;}", "x {} readingOrder {index:0;}", "readingOrder {index:1;} y") == [[1, 2, 0]]
    assert page("readingOrder {index:2;}", "", "readingOrder {index:1;}") == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("order", "following", "expected"),
    [
        ("", ["", "", "", ""], [[0, 1], [2], [3, 4]]),
        ("", [' IDNEXT="r3"', "", "", ' IDNEXT="r1"'], [[3, 4], [0, 1], [2]]),
        # A circle has no beginning.
        ("", ["", "", ' IDNEXT="r4"', ' IDNEXT="r3"'], [[0, 1], [2], [3, 4]]),
        (
            """<ReadingOrder><OrderedGroup ID="o"><ElementRef ID="x" REF="e"/><ElementRef ID="y" REF="r2 b"/>
            </OrderedGroup></ReadingOrder>""",
            [' IDNEXT="r4"', "", "", ""],
            [[4], [2], [1, 0], [3]],
        ),
    ],
)
def test_alto(order: str, following: list[str], expected: list[list[int]]) -> None:
    layout = f"<Layout><Page>{BLOCKS.format(*following)}</Page></Layout>"
    root = parse_xml(f"<alto>{order}{layout}</alto>".encode(), "x")
    assert alto_order(root, root[-1][0]) == expected
