import re

import pytest
from helpers.korean_text import EMOJI, LINE
from hypothesis import given
from hypothesis import strategies as st

from data_prep.rules import emoji_text
from data_prep.rules.steps import Rule

OUTSIDE = Rule((("sub_outside_emoji", "[^\n]", "-"),)).on_blocks()
PARTS = st.lists(
    st.sampled_from([*EMOJI, *"👨👩🏻🇰🇷\u200d\ufe0f\ufe0e\u20e3#12가a"]), max_size=8
).map("".join)


def split_slowly(text: str) -> list[str]:
    parts = [""]
    while text:
        longest = max((e for e in EMOJI if text.startswith(e)), key=len, default="")
        if longest:
            parts += [longest, ""]
        else:
            parts[-1] += text[0]
        text = text[len(longest) or 1 :]
    return parts


@given(PARTS)
def test_the_longest_emoji_is_found(text):
    assert OUTSIDE(text) == "".join(
        part if i % 2 else "-" * len(part) for i, part in enumerate(split_slowly(text))
    )


@given(st.one_of(PARTS, LINE))
def test_stretches_hold_all_emoji_whole(text):
    def underline(text: str) -> str:
        parts = enumerate(split_slowly(text))
        return "".join(f"<{p}>" if i % 2 else p for i, p in parts)

    expected = underline(text)
    for others in ("", "\u200b\u00e9", "가나a#12"):
        rewrite = emoji_text.rewrite_stretches(set(others), underline)
        assert rewrite(text) == expected


@pytest.mark.parametrize("sequence", ["#\ufe0f\u20e3", "1\u20e3"])
def test_keycaps_are_found_among_their_bases(sequence):
    seen = []
    rule = emoji_text.rewrite_stretches({"x"}, lambda text: seen.append(text) or text)
    rule(f"12##{sequence}{sequence}3 x5\n6")
    assert sorted(seen) == [sequence * 2, "x"]


REPLACED = ("[^가나 ]+", "[\u200d\ufe0fa]")
REPLACE = {p: Rule((("sub_outside_emoji", p, "-"),)).on_blocks() for p in REPLACED}


@pytest.mark.parametrize("pattern", REPLACED)
@given(text=st.one_of(PARTS, LINE))
def test_text_between_emoji_is_replaced(pattern, text):
    parts = split_slowly(text)
    parts[::2] = [re.sub(pattern, "-", part) for part in parts[::2]]
    assert REPLACE[pattern](text) == "".join(parts)


def test_every_long_emoji_holds_a_second_part():
    assert all(set(e) & emoji_text.SECOND_PARTS for e in EMOJI if len(e) > 1)
    assert len(emoji_text.SECOND_PARTS) < 100
    assert set(EMOJI) >= emoji_text.LONE_EMOJI
