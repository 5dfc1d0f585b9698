import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.rules.line_blocks import (
    each_line,
    flagged,
    matching,
    only_suspects,
    with_any,
    with_other,
)

LINES = st.lists(st.text("ab:가 \r\u2028😀", max_size=6), min_size=1, max_size=8)


def shout(block: str) -> str:
    return block.replace("a", "AA").replace("b", "")


@pytest.mark.parametrize(
    "suspects",
    [
        with_any("ab"),
        with_other(set(":가 \r\u2028😀")),
        matching("[ab]"),
        matching("a", "b"),
    ],
)
@given(lines=LINES)
def test_suspects_are_all_lines_that_a_rewrite_changes(suspects, lines):
    rewrite = only_suspects(suspects, shout)
    assert rewrite("\n".join(lines)).split("\n") == [shout(line) for line in lines]


def cross_out(line: str) -> str:
    return "x"


@given(LINES)
def test_other_lines_are_not_touched(lines):
    expected = ["x" if "a" in line else line for line in lines]
    for suspects in (
        with_any("a"),
        with_other(set(string.printable + "가😀\u2028") - {"a"}),
        matching("a", "a+"),
    ):
        rewrite = only_suspects(suspects, each_line(cross_out))
        assert rewrite("\n".join(lines)).split("\n") == expected


def test_flags_see_a_line_feed_at_both_ends_of_every_line():
    seen = []

    def flags(codes):
        seen.append(codes.tolist())
        return (codes == ord("b")) | (codes == ord("\n"))

    assert only_suspects(flagged(flags), str.upper)("a\nb\n") == "a\nB\n"
    assert seen == [[ord(c) for c in "\na\nb\n\n"]]
