import emoji
import pytest
from helpers.korean_text import EMOJI, LINE
from hypothesis import given
from hypothesis import strategies as st

from data_prep.rules import emoji_text

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
def test_split_finds_the_longest_emoji(text):
    assert emoji_text.split_emoji(text) == split_slowly(text)


@given(st.one_of(PARTS, LINE))
def test_stretches_hold_all_emoji_whole(text):
    def underline(parts: list[str]) -> list[str]:
        return [f"<{p}>" if i % 2 else p for i, p in enumerate(parts)]

    expected = "".join(underline(split_slowly(text)))
    everywhere = emoji_text.rewrite_stretches(frozenset(), underline)
    assert everywhere(text) == expected
    outside = emoji_text.rewrite_all_but(set("가나a#12"), underline)
    assert outside(text) == expected


@pytest.mark.parametrize("sequence", ["#\ufe0f\u20e3", "1\u20e3"])
def test_keycaps_are_found_among_their_bases(sequence):
    seen = []
    rule = emoji_text.rewrite_stretches(
        {"x"}, lambda parts: seen.append(parts) or parts
    )
    rule(f"12##{sequence}{sequence}3 x5\n6")
    assert sorted(seen) == [["", sequence, "", sequence, ""], ["x"]]


def test_every_long_emoji_holds_a_second_part():
    assert all(set(e) & emoji_text.SECOND_PARTS for e in EMOJI if len(e) > 1)
    assert len(emoji_text.SECOND_PARTS) < 100
    assert set(emoji.EMOJI_DATA) >= emoji_text.LONE_EMOJI
