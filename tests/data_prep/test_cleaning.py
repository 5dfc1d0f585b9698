"""The default recipe, rule by rule, and what it promises about any text."""

import dataclasses
import re
import unicodedata

import emoji
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import cleaning
from data_prep.cli import UserError

CLEANER = cleaning.Cleaner(cleaning.get_recipe("default"))
EMOJI = sorted(emoji.EMOJI_DATA)


def changes(text: str) -> tuple[str, list[str]]:
    """The clean text, and the rules that changed it."""
    changed: dict[str, int] = {}
    return CLEANER.clean_counting(text, changed), list(changed)


@pytest.mark.parametrize(
    ("text", "clean", "rule"),
    [
        ("가\u200b나\ufeff다\u00ad", "가나다", "remove_zero_width"),
        ("가\u200d나\ufe0f", "가나", "remove_zero_width"),
        ("\u1112\u1161\u11ab국", "한국", "nfc"),
        ("e\u0301te\u0301", "été", "nfc"),
        ("\uf900", "豈", "nfc"),
        ("ｱＡＢ１２！　？", "AB12! ?", "map_letters"),
        ("\uffbb\uffbb\uffa1", "ㅋㅋㄱ", "map_letters"),
        ("\u110f\u110f\u1172", "ㅋ큐", "map_letters"),
        ("\u1100\u1100", "ㄱㄱ", "map_letters"),
        ("가\x00나\tかな다", "가 나 다", "keep"),
        ("漢字는 남는다", "漢字는 남는다", None),
        ('(보기) "말" 3.5% 1,000원 ~ㅠㅠ…', '(보기) "말" 3.5% 1,000원 ~ㅠㅠ…', None),
        ("Ünïcode ñ", "Ünïcode ñ", None),
        ("여기 https://a.kr/b?c=1#d 봐", "여기 봐", "remove_urls"),
        ("HTTP://A.KR을 www.naver.com에서", "을 에서", "remove_urls"),
        ("http://한글.kr", "http://한글.kr", None),
        ("www.", "www.", None),
        ("www.2\ufe0f\u20e3", "www.2\ufe0f\u20e3", None),
        ("www.a2\ufe0f\u20e3", "2\ufe0f\u20e3", "remove_urls"),
        ("ㅋㅋㅋㅋㅋ하하하하 2000000", "ㅋㅋㅋ하하하하 2000000", "shorten_runs"),
        ("!!!!!!와아아아아....", "!!!와아아아아...", "shorten_runs"),
        ("aaaaaAAAA", "aaaAAA", "shorten_runs"),
        ("😀😀😀😀😀👍", "😀😀😀👍", "shorten_runs"),
        ("😀😀 😀😀", "😀😀 😀😀", None),
        ("  가  나 ", "가 나", "squeeze_space"),
        ("가\u3000나\u00a0다\u2028라", "가 나 다 라", "keep"),
        ("", "", None),
    ],
)
def test_rules(text, clean, rule):
    found, changed = changes(text)
    assert found == clean
    assert rule in changed if rule else changed == []


@pytest.mark.parametrize(
    "sequence",
    [
        "👩\u200d💻",
        "👍🏿",
        "🇰🇷",
        "3\ufe0f\u20e3",
        "❤\ufe0f",
        "🏴\u200d☠\ufe0f",
        "©",
        "👩🏽\u200d🚀",
    ],
)
def test_emoji_sequences_stay_whole(sequence):
    assert changes(f"가{sequence}나 {sequence}") == (f"가{sequence}나 {sequence}", [])
    assert CLEANER.clean(sequence * 5) == sequence * 3


def test_every_emoji_of_the_table_stays_whole():
    broken = [e for e in EMOJI if CLEANER.clean(f"가{e}나") != f"가{e}나"]
    assert broken == []


def test_all_syllables_stay():
    syllables = "".join(map(chr, range(0xAC00, 0xD7A4)))
    assert CLEANER.clean(syllables) == syllables
    assert CLEANER.clean(unicodedata.normalize("NFD", syllables)) == syllables


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
    ],
)
def test_drop_reasons(text, reason):
    assert CLEANER.drop_reason(text) == reason


def test_recipe_hash_tells_recipes_apart():
    recipe = cleaning.get_recipe("default")
    assert recipe.hash() == dataclasses.replace(recipe).hash()
    assert re.fullmatch("[0-9a-f]{16}", recipe.hash())
    runs = dict(recipe.rules) | {"shorten_runs": {"max_run": 4}}
    others = [
        dataclasses.replace(recipe, name="other"),
        dataclasses.replace(recipe, version=2),
        dataclasses.replace(recipe, rules=recipe.rules[:-1]),
        dataclasses.replace(recipe, rules=recipe.rules[::-1]),
        dataclasses.replace(recipe, rules=tuple(runs.items())),
        dataclasses.replace(recipe, min_characters=5),
        dataclasses.replace(recipe, max_characters=5),
        dataclasses.replace(recipe, min_hangul_share=0.2),
    ]
    hashes = {recipe.hash(), *(other.hash() for other in others)}
    assert len(hashes) == 1 + len(others)


def test_options_of_a_recipe_change_its_rules():
    rules = (("keep", {"hanja": False}), ("shorten_runs", {"max_run": 1}))
    recipe = dataclasses.replace(cleaning.get_recipe("default"), rules=rules)
    assert cleaning.Cleaner(recipe).clean("漢字ㅋㅋ!!") == " ㅋ!"


def test_unknown_recipe_names_the_known_ones():
    with pytest.raises(UserError, match="--recipe=x: no such recipe; there is default"):
        cleaning.get_recipe("x")


def characters(first: int, last: int) -> st.SearchStrategy[str]:
    one = st.characters(min_codepoint=first, max_codepoint=last)
    return st.text(one, min_size=1, max_size=4)


PIECES = [
    characters(0xAC00, 0xD7A3),  # syllables
    characters(0x1100, 0x11FF),  # conjoining jamo
    characters(0xA960, 0xA97C),
    characters(0xD7B0, 0xD7FB),
    characters(0x3131, 0x318E),  # compatibility jamo
    characters(0xFFA0, 0xFFDC),  # half-width jamo
    st.text("0123456789０１９", min_size=1, max_size=5),
    st.text("aZéÀａＺ", min_size=1, max_size=5),
    st.text("!?.~ㅋㅠ…·★／：．!!ww", min_size=1, max_size=6),
    st.sampled_from(EMOJI),
    st.sampled_from(EMOJI).map(lambda sequence: sequence * 4),
    st.sampled_from("👨👩👧🏻🏿🇰🇷🏴❤☺☠✈♂©#*1"),
    st.sampled_from("\u200b\u200d\ufe0e\ufe0f\ufeff\u00ad\u2060\u180e\u20e3\U000e007f"),
    st.sampled_from("\x00\x07\t\n\r\x1c\x85\u2028\u3000\xa0 "),
    st.sampled_from(
        ["http://a.b/c?d=1", "https://", "www.", "ｗｗｗ．ａ", "http", "://"]
    ),
    st.sampled_from("漢字\uf900\ufa10\U00020000かカｶﾞ\u3099\u0301\u0338"),
    st.characters(),
]
KOREAN = st.lists(st.one_of(PIECES), max_size=12).map("".join)


@settings(deadline=None, max_examples=300)
@given(KOREAN)
def test_no_syllable_is_deleted_split_merged_or_moved(text):
    # No emoji holds a syllable: those inside emoji may go here too.
    visible = re.sub(f"[{cleaning._ZERO_WIDTH}]", "", text)
    normal = unicodedata.normalize("NFC", visible)
    syllables = re.compile("[가-힣]")
    assert syllables.findall(CLEANER.clean(text)) == syllables.findall(normal)


@settings(deadline=None, max_examples=300)
@given(KOREAN)
def test_cleaning_twice_changes_nothing(text):
    once = CLEANER.clean(text)
    assert CLEANER.clean(once) == once


@settings(deadline=None, max_examples=200)
@given(KOREAN)
def test_no_digit_is_touched_outside_urls_and_keycaps(text):
    text = re.sub("[:：.．\u20e3]", "", text)
    ascii_digits = text.translate({0xFF10 + n: str(n) for n in range(10)})
    digits = re.compile("[0-9]")
    assert digits.findall(CLEANER.clean(text)) == digits.findall(ascii_digits)


@settings(deadline=None, max_examples=200)
@given(KOREAN)
def test_no_two_words_are_joined(text):
    assert "가 나" in CLEANER.clean(f"{text} 가\x00\x01나 {text}")


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(codec=None), max_size=50))
def test_any_text_becomes_one_encodable_line(text):
    clean = CLEANER.clean(text)
    assert clean == clean.strip()
    assert len(clean.splitlines()) <= 1
    assert clean.encode("utf-8").decode("utf-8") == clean


def test_half_a_surrogate_pair_is_removed():
    assert CLEANER.clean("가나\ud83d다라") == "가나 다라"
