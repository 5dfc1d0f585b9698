"""Text that cleaning meets, ordinary and hostile, for tests of many rules."""

import random

import emoji
from hypothesis import strategies as st

EMOJI = sorted(emoji.EMOJI_DATA)

# str.splitlines cuts at all but the last two of these; none of them ends a line here.
SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\t\r\x1f\x00\x07\u3000\xa0"


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
    st.text("!?.~ㅋㅠㅎ…·★／：．!!ww[]{}", min_size=1, max_size=6),
    st.sampled_from(EMOJI),
    st.sampled_from(EMOJI).map(lambda sequence: sequence * 4),
    st.sampled_from("👨👩👧🏻🏿🇰🇷🏴❤☺☠✈♂©#*1"),
    st.sampled_from("\u200b\u200d\ufe0e\ufe0f\ufeff\u00ad\u2060\u180e\u20e3\U000e007f"),
    st.sampled_from(SEPARATORS + " "),
    st.sampled_from(
        ["http://a.b/c?d=1", "https://", "www.", "ｗｗｗ．ａ", "wWw.b", "http", "://"]
    ),
    st.sampled_from("漢字\uf900\ufa10\U00020000かカｶﾞ\u3099\u0301\u0338"),
    st.characters(exclude_characters="\n"),
]
LINE = st.lists(st.one_of(PIECES), max_size=12).map("".join)

PERSONAL = st.sampled_from(
    [
        *(
            "010-1234-5678",
            "(02)123-4567",
            "+82 10 1234 5678",
            "02",
            "010",
            "-",
            "1234",
        ),
        *("900101-1234568", "7808231098761", "110-123-456789", "123456789012", "계좌"),
        *(
            "신한 ",
            "원",
            "a.b@c.kr",
            "@홍길동님",
            "@kim",
            "@",
            "[PHONE]",
            "[",
            "]",
            "(((",
        ),
    ]
)
PERSONAL_LINE = st.lists(st.one_of(PERSONAL, *PIECES), max_size=12).map("".join)

_URLS = (
    *("http://a.kr", "https://www.naver.com/a?b=c#d", "http://가.kr", "https://x"),
    *("http://www.a.bcdefghij/", "http://1.2.3.4:80/(x)", "HTTP://a.kr", "www.a.kr"),
    *("http://" + "a" * 270 + ".kr", "http://a..b", "https://a.b http://c.d"),
)
_HANDLES = ("#해시태그", "#tag_1", "a.b@c.co.kr", "@user", "@사용자", "#", "@", "C#")
_BRACKETS = (
    "[",
    "]",
    "{",
    "}",
    "【",
    "】",
    "<",
    ">",
    "[사진]",
    "<b>",
    "[[a]b]",
    "(가)",
)
_NEWS = ("무단전재", "무단 배포", "재배포금지", "(서울=뉴스1)", "OOO", "OOOO", "ooo")


def hostile_lines(number: int, seed: int) -> list[str]:
    """The same lines for the same seed."""
    rng = random.Random(seed)

    def span(first: int, last: int) -> str:
        return "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 5)))

    kinds = [
        lambda: span(0xAC00, 0xD7A3),
        lambda: rng.choice("가나와ㅋㅠaZ1_é漢").__mul__(rng.randint(1, 6)),
        lambda: span(0x3131, 0x318E),
        lambda: span(0x20, 0x7E),
        lambda: rng.choice(EMOJI) * rng.choice((1, 1, 2, 5)),
        lambda: "".join(
            rng.choices("👨👩🏻🇰🇷\u200d\ufe0f\ufe0e\u20e31#❤☺", k=rng.randint(1, 6))
        ),
        lambda: "".join(rng.choices(SEPARATORS + "  ", k=rng.randint(1, 3))),
        lambda: " " * rng.randint(1, 3),
        lambda: rng.choice(_URLS),
        lambda: rng.choice(_HANDLES + _BRACKETS + _NEWS),
        lambda: rng.choice("％·∼~…½①ｱＡ１\u200b\u0301\u1100\u1161"),
        lambda: span(0x4E00, 0x4E20),
        lambda: span(0x80, 0xFFFF).encode("utf-8", "ignore").decode(),
    ]
    return [
        "".join(rng.choice(kinds)() for _ in range(rng.randint(0, 12)))
        for _ in range(number)
    ]
