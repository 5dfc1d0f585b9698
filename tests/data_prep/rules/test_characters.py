import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.rules import characters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("가힣", {"hangul": 2}),
        ("ㄱㆎ\u1100\u11ff\uffa1", {"jamo": 5}),
        ("aZéＡ", {"latin": 4}),
        ("09１", {"digit": 3}),
        ("!·★♥！", {"punctuation": 5}),
        ("漢\uf900\U00020000", {"hanja": 3}),
        ("👍🏿❤\ufe0f\u200d", {"emoji": 5}),
        (" \t\u3000\u2028", {"space": 4}),
        ("かЯ\x00\u200b\ud83d", {"other": 5}),
        ("가\n나\n", {"hangul": 2}),
        ("", {}),
    ],
)
def test_character_classes(text, expected):
    assert (
        characters.character_classes(text)
        == dict.fromkeys(characters.CLASS_NAMES, 0) | expected
    )


def test_space_is_all_that_str_calls_space():
    everything = map(chr, range(sys.maxunicode + 1))
    assert set(filter(str.isspace, everything)) == characters.SPACE


@given(st.text(st.characters(codec=None)))
def test_every_character_is_counted_once(text):
    counts = characters.character_classes(text)
    assert sum(counts.values()) == len(text) - text.count("\n")


@given(st.text(st.characters(codec=None), min_size=1, max_size=20))
def test_regex_class_matches_these_characters_alone(text):
    pattern = re.compile(f"[{characters.regex_class(text)}]")
    around = {chr(min(ord(c) + d, sys.maxunicode)) for c in text for d in (0, 1)}
    assert {c for c in around | set("]^-\\a") if pattern.match(c)} == (
        (around | set("]^-\\a")) & set(text)
    )


@given(st.lists(st.text(" \ta가\u2028", max_size=8), min_size=1, max_size=4))
def test_irregular_space_is_what_split_and_join_would_change(lines):
    codes = characters.code_points("\n" + "\n".join(lines) + "\n")
    flags = characters.irregular_space(codes).tolist()
    for line in lines:
        del flags[0]
        flagged, flags = any(flags[: len(line)]), flags[len(line) :]
        assert flagged == (" ".join(line.split()) != line)
