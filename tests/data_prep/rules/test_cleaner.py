"""What cleaning promises about any text, and how lines are counted and dropped."""

import random
import re
import unicodedata
from collections import Counter

import pytest
from helpers.korean_text import LINE, PERSONAL_LINE, hostile_lines
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data_prep.rules import characters, pii, recipes
from data_prep.rules.cleaner import BLOCK_CHARACTERS, Cleaner

TOKENS = {kind: f"[{kind.upper()}]" for kind in pii.KINDS}
DEFAULT = recipes.get_recipe("default")
MASKED = recipes.with_options(DEFAULT, mask_pii=TOKENS)
CLEANER = Cleaner(DEFAULT)
MASKING_CLEANER = Cleaner(MASKED)
EVERY_CLEANER = [*map(Cleaner, recipes.RECIPES.values()), MASKING_CLEANER]
SYLLABLES = re.compile("[가-힣]")
TOKEN = re.compile("|".join(map(re.escape, TOKENS.values())))


def visible(text: str) -> str:
    # No emoji holds a syllable: those inside emoji may go here too.
    zero_width = characters.regex_class(characters.ZERO_WIDTH)
    return unicodedata.normalize("NFC", re.sub(f"[{zero_width}]", "", text))


def without_personal_data(text: str) -> str:
    # A token may be what makes its neighbour personal data: 010-1234-5678@홍길동님.
    while spans := pii.find(text):
        for span in reversed(spans):
            text = text[: span.start] + TOKENS[span.kind] + text[span.end :]
    return text


@settings(deadline=None, max_examples=200)
@given(LINE)
def test_no_syllable_is_deleted_split_merged_or_moved(text):
    expected = SYLLABLES.findall(visible(text))
    assert SYLLABLES.findall(CLEANER.clean(text)) == expected


@settings(deadline=None, max_examples=200)
@given(PERSONAL_LINE)
@example("010-1234-5678@홍길동님")
def test_masking_takes_personal_data_alone(text):
    clean = CLEANER.clean(text)
    masked = TOKEN.sub("", MASKING_CLEANER.clean(text))
    expected = TOKEN.sub("", without_personal_data(clean))
    assert masked.replace(" ", "") == expected.replace(" ", "")


IDEMPOTENT = [CLEANER, MASKING_CLEANER, Cleaner(recipes.get_recipe("hwahae"))]


@pytest.mark.parametrize("cleaner", IDEMPOTENT)
@settings(deadline=None, max_examples=200)
@given(text=st.one_of(LINE, PERSONAL_LINE))
def test_cleaning_twice_changes_nothing(cleaner, text):
    once = cleaner.clean(text)
    assert cleaner.clean(once) == once


@settings(deadline=None, max_examples=200)
@given(LINE)
def test_no_digit_is_touched_outside_urls_and_keycaps(text):
    text = re.sub("[:：.．\u20e3]", "", text)
    ascii_digits = text.translate({0xFF10 + n: str(n) for n in range(10)})
    digits = re.compile("[0-9]")
    assert digits.findall(CLEANER.clean(text)) == digits.findall(ascii_digits)


@settings(deadline=None, max_examples=200)
@given(LINE)
def test_no_two_words_are_joined(text):
    assert "가 나" in CLEANER.clean(f"{text} 가\x00\x01나 {text}")


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(codec=None), max_size=50))
def test_any_text_becomes_one_encodable_line(text):
    clean = CLEANER.clean(text)
    assert clean == clean.strip()
    assert len(clean.splitlines()) <= 1
    assert clean.encode("utf-8").decode("utf-8") == clean


@pytest.mark.parametrize("cleaner", EVERY_CLEANER, ids=lambda c: c.recipe.name)
@settings(deadline=None, max_examples=60)
@given(lines=st.lists(st.one_of(LINE, PERSONAL_LINE, st.text(max_size=9)), max_size=8))
@example(lines=["", "", ""])
def test_many_lines_are_cleaned_as_each_alone(cleaner, lines):
    clean = cleaner.clean_lines(lines, Counter())
    assert clean == [cleaner.clean(line) for line in lines]
    reasons = cleaner.drop_reasons(clean)
    assert reasons == [cleaner.drop_reasons([line])[0] for line in clean]


@pytest.mark.parametrize("cleaner", IDEMPOTENT)
def test_cleaning_many_hostile_lines_twice_changes_nothing(cleaner):
    rng = random.Random(3)
    hidden = [
        "010-1234-5678",
        "@홍길동님",
        "@kim",
        "a.b@c.kr",
        "ㅋㅎ",
        "[",
        "계좌 110123456789",
    ]
    lines = [
        line[:9] + "".join(rng.choices(hidden, k=rng.randint(1, 4))) + line[9:]
        for line in hostile_lines(5000, seed=3)
    ]
    once = cleaner.clean_lines(lines, Counter())
    assert cleaner.clean_lines(once, Counter()) == once


def test_many_blocks_are_cleaned_as_each_line_alone():
    lines = hostile_lines(3000, seed=2)
    assert sum(map(len, lines)) > 2 * BLOCK_CHARACTERS
    clean = CLEANER.clean_lines(lines, Counter())
    assert clean == [CLEANER.clean(line) for line in lines]
    reasons = CLEANER.drop_reasons(clean)
    assert reasons == [CLEANER.drop_reasons([line])[0] for line in clean]
    assert set(reasons) == {None, "empty", "too_short", "low_hangul", "boilerplate"}


def test_tally_counts_changed_lines_and_their_bytes():
    tally = Counter()
    lines = ["가  나", "그대로", "ㅋㅋㅋㅋㅋ  ", "줄\n바꿈"]
    assert CLEANER.clean_lines(lines, tally) == ["가 나", "그대로", "ㅋㅋㅋ", "줄 바꿈"]
    assert tally == {
        ("shorten_runs", "lines"): 1,
        ("shorten_runs", "bytes_in"): 17,
        ("shorten_runs", "bytes_out"): 11,
        ("squeeze_space", "lines"): 2,
        ("squeeze_space", "bytes_in"): 8 + 11,
        ("squeeze_space", "bytes_out"): 7 + 9,
    }
    CLEANER.clean_lines(lines, tally)
    assert tally["squeeze_space", "lines"] == 4
    assert CLEANER.clean_lines([], tally) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("가나다", "too_short"),
        ("가나다라", None),
        ("가" * 10_000, None),
        ("가" * 10_001, "too_long"),
        ("hello world", "low_hangul"),
        ("가 abcdefghi", None),
        ("가 abcdefghij", "low_hangul"),
        ("ㅋ abcdefghi", None),
        ("漢字漢字漢字", "low_hangul"),
        ("클린봇이 부적절한 표현을 감지한 댓글입니다.", "placeholder"),
        ("ⓒ 어느신문, 무단전재 및 재배포 금지", "boilerplate"),
        ("기사를 무단 전재했다는 의혹이 있다", None),
        ("삭제된 댓글이 많네요", None),
    ],
)
def test_drop_reasons(text, reason):
    assert CLEANER.drop_reasons([text]) == [reason]
    assert CLEANER.drop_reasons(["가나다라", text, "", text]) == [
        *(None, reason, "empty", reason)
    ]
    assert CLEANER.drop_reasons([]) == []
