import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.rules import blocks

LINES = st.lists(st.text("ab:가 \r\u2028😀", max_size=6), min_size=1, max_size=8)


def shout(block: str) -> str:
    return block.replace("a", "AA").replace("b", "")


@pytest.mark.parametrize(
    "select",
    [
        blocks.each_line,
        lambda rule: blocks.lines_with_any("ab", rule),
        lambda rule: blocks.lines_with_other(set(":가 \r\u2028😀"), rule),
        lambda rule: blocks.lines_matching(("[ab]",), rule),
        lambda rule: blocks.lines_matching(("a", "b"), rule),
    ],
)
@given(lines=LINES)
def test_every_way_to_select_lines_finds_all_that_the_rule_changes(select, lines):
    rule = select(shout)
    assert rule("\n".join(lines)).split("\n") == [shout(line) for line in lines]


@given(LINES)
def test_other_lines_are_not_touched(lines):
    def cross_out(block: str) -> str:
        return "\n".join("x" for _ in block.split("\n"))

    expected = ["x" if "a" in line else line for line in lines]
    for rule in (
        blocks.lines_with_any("a", cross_out),
        blocks.lines_with_other(
            set(string.printable + "가😀\u2028") - {"a"}, cross_out
        ),
        blocks.lines_matching(("a",), cross_out),
    ):
        assert rule("\n".join(lines)).split("\n") == expected


def test_flags_see_a_line_feed_at_both_ends_of_every_line():
    seen = []

    def flags(codes):
        seen.append(codes.tolist())
        return (codes == ord("b")) | (codes == ord("\n"))

    assert blocks.lines_where(flags, str.upper)("a\nb\n") == "a\nB\n"
    assert seen == [[ord(c) for c in "\na\nb\n\n"]]
