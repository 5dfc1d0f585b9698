import pytest
from helpers.korean_text import PERSONAL_LINE
from hypothesis import given, settings

from common.cli import UserError
from data_prep.rules import masking, pii

TOKENS = {kind: f"[{kind.upper()}]" for kind in pii.KINDS}
ALL = masking.mask_pii(**TOKENS)
LAUGHTER = masking.mask_laughter("{laughing}")


def test_only_the_kinds_asked_for_are_masked():
    text = "a@b.kr @kim 010-1234-5678 900101-1234568 110-123-456789"
    words = text.split()
    order = ("email", "name", "phone", "resident_number", "account")
    for index, kind in enumerate(order):
        token = TOKENS[kind]
        expected = [*words[:index], token, *words[index + 1 :]]
        assert masking.mask_pii(**{kind: token})(text) == " ".join(expected)
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
    for rule in (ALL, LAUGHTER):
        assert rule(rule(text)) == rule(text)


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
    with pytest.raises(UserError, match="no kind fax; there is email, name, phone"):
        masking.mask_pii(fax="[FAX]")
    for token in ("PHONE", "[PHONE", "[PHO NE]", "[]", "[전화]", "[1]", "[AAA]"):
        with pytest.raises(UserError, match="special token"):
            masking.mask_pii(phone=token)
        with pytest.raises(UserError, match="special token"):
            masking.mask_laughter(token)
