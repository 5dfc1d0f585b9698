"""Token ids are exactly those of `tokenizers`, whatever the text and the tokenizer."""

import functools
import json
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers, pre_tokenizers

from data_prep.records.tokenizer import LineTokenizer
from data_prep.vocab import vocabulary

WORDS = [
    *"한 국 국어 한국 어 사람 사 맛 있 다 어요 맛있 ㅋ ㅋㅋ 漢 字 ᆨ".split(),
    *"a b ab abc A B 1 12 é ö i ß ﬁ MA MASK UNK 😀 👩 ́".split(),
    *"! ? . , ~ # ## [ ] ( 。 ・ · …".split(),
]
VOCAB = [
    *vocabulary.SPECIAL_TOKENS,
    *WORDS,
    *(f"##{word}" for word in WORDS),
    # None of these can come out, as the pre-tokenizer cuts words there.
    *("가.", "한국!", "漢字", "##字", "##a漢", "##!!", "~~", "한[", "###", "x y"),
]


@functools.cache
def tokenizer_json(**changes) -> str:
    """A cased BERT tokenizer; `normalizer` holds changes of its settings."""
    settings = dict(changes.get("normalizer", ()))
    tokens = dict.fromkeys(VOCAB)
    tokenizer = vocabulary.wordpiece({token: i for i, token in enumerate(tokens)})
    description = json.loads(tokenizer.to_str())
    description["normalizer"].update(settings)
    description["model"].update(dict(changes.get("model", ())))
    return json.dumps(description)


def with_added(content: str, **flags) -> str:
    description = json.loads(tokenizer_json())
    token = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    token |= {"id": len(description["model"]["vocab"]), "content": content}
    description["added_tokens"].append(token | {"special": False} | flags)
    return json.dumps(description)


def check(tokenizer_json: str, lines: list[str]) -> None:
    tokenizer = Tokenizer.from_str(tokenizer_json)
    expected = tokenizer.encode_batch_fast(lines, add_special_tokens=False)
    found = LineTokenizer(tokenizer_json)(lines)
    ids = [found.row(index).tolist() for index in range(len(found))]
    assert ids == [encoding.ids for encoding in expected]


NASTY = [
    "",
    " ",
    "  한국  사람 ",
    "[MASK] [CLS]한국[SEP] x[UNK]x [MASK [ MASK ]",
    "한" * 100 + " " + "한" * 101 + " " + "가" * 150 + "한국" * 75,
    "x" * 100 + "!" * 150,
    unicodedata.normalize("NFD", "한국 사람 é ö"),
    "👩\u200d💻 👍🏽 🇰🇷 1\ufe0f\u20e3 ㅋㅋㅋ",
    "韓国 漢字a漢字 a漢 。・·…",
    "a\x00b\ufffdc \x1c\x1d\x1e\x1f a\x85b a\u2028b\u2029c a\u200bb a\u00adb",
    "a\u3000b\u00a0c\td\re\x0bf\x0cg",
    "İSTANBUL ẞ ﬁ Σας ΣΑΣ",
    "e\u0301 가\u0301 \u0301",
    "\U0010ffff \ue000 \U0001f9ff",
    "###ab #a ## ab##ab",
    "가.나 한국!사람 x y",
]
TEXT = st.one_of(
    st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=40),
    st.text(st.sampled_from(" " + "".join(VOCAB) + "\u200b\x1c\t뷁"), max_size=60),
    st.lists(st.sampled_from([*NASTY, *VOCAB]), max_size=6).map("".join),
    st.lists(st.sampled_from([*NASTY, *VOCAB]), max_size=6).map(" ".join),
)
LINES = st.lists(TEXT, max_size=5)
VARIANTS = {
    "cased": tokenizer_json(),
    "lower case": tokenizer_json(normalizer=(("lowercase", True),)),
    "whole Hanja": tokenizer_json(normalizer=(("handle_chinese_chars", False),)),
    "control characters": tokenizer_json(normalizer=(("clean_text", False),)),
    "jamo": tokenizer_json(normalizer=(("strip_accents", True),)),
    "short words": tokenizer_json(model=(("max_input_chars_per_word", 3),)),
    "added word": with_added("국어"),
    "added mark": with_added("!"),
    "added words": with_added("한국 사람"),
    "added and normalized": with_added("ab", normalized=True),
    "added Hanja": with_added("a漢", normalized=True),
    "added with spaces": with_added("<br>", lstrip=True, rstrip=True),
    "added single word": with_added("한", single_word=True),
}


@pytest.mark.parametrize("variant", VARIANTS)
@settings(deadline=None, max_examples=60)
@given(lines=LINES)
@example(lines=NASTY)
@example(lines=[" ".join(NASTY)])
def test_same_ids_as_tokenizers(variant, lines):
    check(VARIANTS[variant], lines)


def test_which_tokenizers_are_vectorized():
    slow = {v for v in VARIANTS if not LineTokenizer(VARIANTS[v]).is_vectorized}
    assert slow == {"jamo", "added Hanja"}


@pytest.mark.parametrize("part", ["normalizer", "pre_tokenizer"])
def test_other_tokenizers_get_whole_lines(part):
    tokenizer = Tokenizer.from_str(tokenizer_json())
    if part == "normalizer":
        tokenizer.normalizer = normalizers.Replace("국 사", "국사")
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    assert not LineTokenizer(tokenizer.to_str()).is_vectorized
    check(tokenizer.to_str(), NASTY)


def test_tokenizer_without_a_normalizer_gets_whole_lines():
    tokenizer = Tokenizer.from_str(tokenizer_json())
    description = json.loads(tokenizer.to_str()) | {"normalizer": None}
    assert not LineTokenizer(json.dumps(description)).is_vectorized
    check(json.dumps(description), NASTY)


def test_later_batches_may_bring_new_characters():
    tokenize = LineTokenizer(tokenizer_json())
    reference = Tokenizer.from_str(tokenizer_json())
    for line in ("한국", "사람 漢", "é한\u200b", "한국"):
        expected = reference.encode(line, add_special_tokens=False).ids
        assert tokenize([line]).values.tolist() == expected


def test_no_lines_give_no_rows():
    assert len(LineTokenizer(tokenizer_json())([])) == 0
