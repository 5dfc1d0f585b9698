"""Recipes named after systems, against slow restatements of what was published."""

import re
from collections import Counter

import emoji
import pytest
from helpers.korean_text import LINE, hostile_lines
from hypothesis import given, settings
from soynlp.normalizer import repeat_normalize

from data_prep.rules.cleaner import Cleaner
from data_prep.rules.recipes import get_recipe

URL = re.compile(
    r"https?://(www\.)?[A-Za-z0-9@:%._+~#=-]{1,256}\.[A-Za-z0-9()]{1,6}\b"
    r"[A-Za-z0-9()@:%_+.~#?&/=-]*"
)
OF_EMOJI = {character for sequence in emoji.EMOJI_DATA for character in sequence}


def is_common(character: str) -> bool:
    return character < "\x80" or "가" <= character <= "힣" or character in "％·∼"


def spaced(text: str, kept) -> str:
    """Runs of characters that are not kept become one space each."""
    out = []
    for character in text:
        if kept(character):
            out.append(character)
        elif not out or out[-1] is not None:
            out.append(None)
    return "".join(" " if character is None else character for character in out)


def kcbert_kept(character: str) -> bool:
    jamo = "ㄱ" <= character <= "ㅣ"
    return is_common(character) or jamo or character in OF_EMOJI


def finish(text: str) -> str:
    return repeat_normalize(URL.sub("", text).strip(), num_repeats=2)


def kcbert(text: str) -> str:
    return finish(spaced(text, kcbert_kept))


def kcelectra_v2021(text: str) -> str:
    return kcbert(re.sub("OOO", " ", text))


def kcelectra_v2022(text: str) -> str:
    return finish(emoji.replace_emoji(spaced(text, kcbert_kept), replace=""))


def koelectra_v1(text: str) -> str:
    text = re.sub(r"\[[^][]*\]|\{[^{}]*\}|【[^【】]*】|<[^<>]*>", " ", text)
    email = r"(?<![A-Za-z0-9_.%+-])[A-Za-z0-9_.%+-]+@([A-Za-z0-9_-]+\.)+[A-Za-z]{2,}"
    text = re.sub(email + r"|[#@]\w(\w|[.-])*", " ", text)
    return repeat_normalize(spaced(text, is_common), num_repeats=2)


PUBLISHED = [kcbert, kcelectra_v2021, kcelectra_v2022, koelectra_v1]
CLEANERS = {f.__name__: Cleaner(get_recipe(f.__name__)) for f in PUBLISHED}
HOSTILE = hostile_lines(4000, seed=1)


@pytest.mark.parametrize("published", PUBLISHED)
def test_agrees_on_generated_lines(published):
    clean = CLEANERS[published.__name__].clean_lines(HOSTILE, Counter())
    expected = list(map(published, HOSTILE))
    results = zip(HOSTILE, clean, expected, strict=True)
    assert [result for result in results if result[1] != result[2]] == []
    assert sum(a != b for a, b in zip(HOSTILE, clean, strict=True)) > 2000


@pytest.mark.parametrize("published", PUBLISHED)
@settings(deadline=None, max_examples=150)
@given(line=LINE)
def test_agrees_on_any_line(published, line):
    assert CLEANERS[published.__name__].clean(line) == published(line)


@pytest.mark.parametrize(
    ("recipe", "text", "clean"),
    [
        ("kcbert", "ㅋㅋㅋ ㅋㅋㅋㅋ 와아아아아", "ㅋㅋㅋ ㅋㅋ 와아아"),
        ("kcbert", "2000000원", "200원"),
        ("kcbert", "漢字와 ㆍ", "와"),
        ("kcbert", "앞http://a.kr/b뒤", "앞뒤"),
        ("kcbert", "👍\u200d\ufe0f좋아요😀", "👍\u200d\ufe0f좋아요😀"),
        ("kcbert", "OOO 같은 놈", "OOO 같은 놈"),
        ("kcbert", "가\x1c나\u2028다", "가 나 다"),
        ("kcelectra_v2021", "OOO 같은 OOOO", "같은 O"),
        ("kcelectra_v2022", "👍🏿좋아요😀", "좋아요"),
        ("kcelectra_v2022", "👍\ufe0f좋\ufe0f아요😀ㅋ", "좋아요ㅋ"),
        ("koelectra_v1", "[속보]ㅋㅋ 漢字 <b>가나</b> {표} 【단독】끝", "가나 끝"),
        ("koelectra_v1", "#태그 본문 a@b.kr @user 끝!!!!", "본문 끝!!!!"),
        ("koelectra_v1", "와하하하하하핫", "와하하핫"),
        ("hwahae", "좋아요ㅋㅋㅋㅎㅎ 010-1234-5678", "좋아요{laughing} [PHONE]"),
        ("hwahae", "漢字 a@b.kr @김철수님 ㅋ", "[EMAIL] [PERSON]님 ㅋ"),
    ],
)
def test_examples(recipe, text, clean):
    assert Cleaner(get_recipe(recipe)).clean(text) == clean


@pytest.mark.parametrize(
    ("recipe", "text", "reason"),
    [
        ("kcbert", "열 글자인 문장이다", "too_short"),
        ("kcbert", "열한 글자인 문장이다", None),
        ("kcbert", "only latin letters", None),
        ("koelectra_v1", "무단전재 및 재배포 금지라고 써 있다", "boilerplate"),
        ("koelectra_v1", "(서울=뉴스1) 홍길동 기자 = 오늘", "boilerplate"),
        ("koelectra_v1", "오늘은 날씨가 맑다고 한다 (기상청)", None),
        ("hwahae", "작성자에 의해 삭제된 댓글입니다.", "placeholder"),
    ],
)
def test_drop_reasons(recipe, text, reason):
    assert Cleaner(get_recipe(recipe)).drop_reasons([text]) == [reason]
