"""Rules with options that no recipe has, and what masking promises."""

import dataclasses
import re
import sys
import unicodedata

import pytest
from helpers.korean_text import PERSONAL_LINE
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from data_prep.rules import pii, table
from data_prep.rules.line_blocks import Rewrite

TOKENS = {kind: f"[{kind.upper()}]" for kind in pii.KINDS}


def rule(name: str, /, **options) -> Rewrite:
    return table.RULES[name](**options).on_blocks()


ALL = rule("mask_pii", **TOKENS)
LAUGHTER = rule("mask_laughter", laughter="{laughing}")


def test_only_the_kinds_asked_for_are_masked():
    text = "a@b.kr @kim 010-1234-5678 900101-1234568 110-123-456789"
    words = text.split()
    order = ("email", "name", "phone", "resident_number", "account")
    for index, kind in enumerate(order):
        token = TOKENS[kind]
        expected = [*words[:index], token, *words[index + 1 :]]
        assert rule("mask_pii", **{kind: token})(text) == " ".join(expected)
    assert ALL(text) == " ".join(TOKENS[kind] for kind in order)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("재밌어요ㅋㅋ", "재밌어요{laughing}"),
        ("ㅋㅎㅋ 하하 ㅎㅎㅎㅎ", "{laughing} 하하 {laughing}"),
        ("ㅋ ㅎ", "ㅋ ㅎ"),
        ("{ㅋㅋ}", "{ {laughing} }"),
        ("ㅋㅋ\nㅋ\n\nㅎㅎ", "{laughing}\nㅋ\n\n{laughing}"),
    ],
)
def test_laughter(text, masked):
    assert LAUGHTER(text) == masked


@settings(deadline=None, max_examples=300)
@given(PERSONAL_LINE)
def test_masking_twice_changes_nothing(text):
    for mask in (ALL, LAUGHTER):
        assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("010-1234-5678@kim", "[PHONE][NAME]"),
        ("[010-1234-5678]", "[ [PHONE] ]"),
        ("010-1234-5678(02)123-4567", "[PHONE]([PHONE]"),
        (
            "@user1\ufe0f\u20e3 010-1234-5678\u20e3",
            "@user1\ufe0f\u20e3 010-1234-5678\u20e3",
        ),
    ],
)
def test_neighbours(text, masked):
    assert ALL(text) == masked


def test_other_kinds_and_shapes_are_refused():
    with pytest.raises(UserError, match="unknown kind 'fax'; choose from email, name"):
        rule("mask_pii", fax="[FAX]")
    for token in ("PHONE", "[PHONE", "[PHO NE]", "[]", "[전화]", "[1]", "[AAA]"):
        with pytest.raises(UserError, match="special token"):
            rule("mask_pii", phone=token)
        with pytest.raises(UserError, match="special token"):
            rule("mask_laughter", laughter=token)


def test_characters_that_normal_forms_skip_need_no_normal_form():
    composed_after = {
        decomposition.split()[-1]
        for code in range(sys.maxunicode + 1)
        if "<" not in (decomposition := unicodedata.decomposition(chr(code)))
        and " " in decomposition
    }
    vowels_and_finals = set(map(chr, [*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]))
    joining = {chr(int(code, 16)) for code in composed_after} | vowels_and_finals
    wrong = {
        c
        for c in table.NFC_SAFE
        if unicodedata.combining(c) or not unicodedata.is_normalized("NFC", c)
    }
    assert not wrong
    assert not table.NFC_SAFE & joining
    assert "\u0301" in joining


@pytest.mark.parametrize("max_run", [1, 2, 3, 5])
def test_max_run(max_run):
    shorten = rule("shorten_runs", max_run=max_run)
    block = "ㅋㅋㅋㅋㅋㅋ!!\n😀😀😀😀😀😀\nab\n\n" + "👍🏿" * 6 + "\n111111"
    expected = re.sub(
        r"(👍🏿|[ㅋ!😀])\1+",
        lambda m: m[1] * min(max_run, len(m[0]) // len(m[1])),
        block,
    )
    assert shorten(block) == expected


def test_a_long_run_is_sought_in_short_text():
    for length in range(9):
        text = "가나다라마바사아자"[:length]
        assert rule("shorten_runs", max_run=5)(text) == text


def test_hanja_may_go():
    assert rule("keep", hanja=False)("漢字ㅋㅋ\n가漢") == " ㅋㅋ\n가 "


@settings(max_examples=200)
@given(line=PERSONAL_LINE | st.text("가아ㅋa1 \t!", max_size=30))
def test_steps_give_what_the_published_function_gives(line):
    """The pipeline runs soynlp's function, the exported cleaning.py the steps."""
    published = table.RULES["repeat_normalize"](num_repeats=2)
    assert published.published
    steps = dataclasses.replace(published, published=None)
    assert published.on_blocks()(line) == steps.on_blocks()(line)
