"""The default recipe, rule by rule."""

import unicodedata
from collections import Counter

import pytest
from helpers.korean_text import EMOJI

from data_prep.rules.cleaner import Cleaner
from data_prep.rules.recipes import get_recipe

CLEANER = Cleaner(get_recipe("default"))


def changes(text: str) -> tuple[str, list[str]]:
    """The clean text, and the rules that changed it."""
    tally = Counter()
    (clean,) = CLEANER.clean_lines([text], tally)
    return clean, [rule for rule, what in tally if what == "lines"]


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
        ("http://[PHONE] www.{laughing}", "http://[PHONE] www.{laughing}", None),
        ("WWW.A.KR Www.a.kr wWw.a.kr", "wWw.a.kr", "remove_urls"),
        ("www.2\ufe0f\u20e3", "www.2\ufe0f\u20e3", None),
        ("www.a2\ufe0f\u20e3", "2\ufe0f\u20e3", "remove_urls"),
        ("ㅋㅋㅋㅋㅋ하하하하 2000000", "ㅋㅋㅋ하하하하 2000000", "shorten_runs"),
        ("!!!!!!와아아아아....", "!!!와아아아아...", "shorten_runs"),
        ("aaaaaAAAA", "aaaAAA", "shorten_runs"),
        ("😀😀😀😀😀👍", "😀😀😀👍", "shorten_runs"),
        ("👍🏿👍🏿👍🏿👍🏿👍", "👍🏿👍🏿👍🏿👍", "shorten_runs"),
        ("#####\ufe0f\u20e3", "###" + "#\ufe0f\u20e3", "shorten_runs"),
        ("😀😀 😀😀", "😀😀 😀😀", None),
        ("  가  나 ", "가 나", "squeeze_space"),
        ("가\u3000나\u00a0다\u2028라", "가 나 다 라", "keep"),
        ("가\n나", "가 나", None),
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
    lines = [f"가{e}나" for e in EMOJI]
    assert CLEANER.clean_lines(lines, Counter()) == lines


def test_all_syllables_stay():
    syllables = "".join(map(chr, range(0xAC00, 0xD7A4)))
    assert CLEANER.clean(syllables) == syllables
    assert CLEANER.clean(unicodedata.normalize("NFD", syllables)) == syllables


def test_half_a_surrogate_pair_is_removed():
    assert CLEANER.clean("가나\ud83d다라") == "가나 다라"
