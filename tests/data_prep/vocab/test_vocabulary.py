"""Vocabularies and their tokenizer."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from data_prep.vocab import vocabulary
from data_prep.vocab.vocabulary import TokenizerOptions

TOKENS = [
    *vocabulary.SPECIAL_TOKENS,
    "[PHONE]",
    "{laughing}",
    *"가나다ab.",
    "##나",
    "##다",
]
OPTIONS = TokenizerOptions(special_tokens=("[PHONE]", "{laughing}"))


@pytest.fixture
def vocab_file(tmp_path):
    vocabulary.save(str(tmp_path), TOKENS, OPTIONS)
    return str(tmp_path / "vocab.txt")


def encode(vocab_file: str, text: str) -> list[str]:
    return (
        vocabulary.load_tokenizer(vocab_file)
        .encode(text, add_special_tokens=False)
        .tokens
    )


def test_special_tokens_come_first(vocab_file):
    ids = vocabulary.read(vocab_file)
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    assert [ids[name] for name in names] == [0, 1, 2, 3, 4]
    assert list(ids.values()) == list(range(len(ids)))


def test_extra_special_tokens_stay_whole(vocab_file):
    tokens = encode(vocab_file, "가[PHONE]나 {laughing}.")
    assert tokens == ["가", "[PHONE]", "나", "{laughing}", "."]
    assert "[UNK]" in encode(vocab_file, "[EMAIL]")


def test_options_are_read_back(tmp_path):
    for i, options in enumerate([TokenizerOptions(), OPTIONS, TokenizerOptions(True)]):
        folder = tmp_path / str(i)
        folder.mkdir()
        vocabulary.save(str(folder), TOKENS, options)
        assert vocabulary.read_options(str(folder / "vocab.txt")) == options


def test_a_vocabulary_alone_is_cased_and_has_no_extra_special_tokens(write):
    path = write("vocab.txt", "".join(token + "\n" for token in TOKENS))
    assert vocabulary.read_options(path) == TokenizerOptions()
    assert encode(path, "a A 가[PHONE]")[:3] == ["a", "[UNK]", "가"]
    assert "[PHONE]" not in encode(path, "가[PHONE]")


def test_lower_casing_leaves_syllables_whole(tmp_path):
    vocabulary.save(str(tmp_path), TOKENS, TokenizerOptions(lowercase=True))
    assert encode(str(tmp_path / "vocab.txt"), "A 가나") == ["a", "가", "##나"]


def test_saved_tokenizer_is_the_vocabulary_s(vocab_file):
    from tokenizers import Tokenizer

    folder = os.path.dirname(vocab_file)
    saved = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    assert saved.get_vocab() == vocabulary.read(vocab_file)
    text = "가나[PHONE]다 a"
    assert (
        saved.encode(text).ids == vocabulary.load_tokenizer(vocab_file).encode(text).ids
    )
    assert saved.encode(text).ids[0] == vocabulary.CLS_ID


def test_another_vocabulary_s_tokenizer_is_refused(vocab_file):
    with open(vocab_file, "a") as handle:
        handle.write("라\n")
    with pytest.raises(UserError, match="contain different tokens"):
        vocabulary.load_tokenizer(vocab_file)


@pytest.mark.parametrize("text", ["{", "{}", json.dumps({"normalizer": None})])
def test_a_foreign_tokenizer_file_is_refused(vocab_file, text):
    path = os.path.join(os.path.dirname(vocab_file), "tokenizer.json")
    with open(path, "w") as handle:
        handle.write(text)
    with pytest.raises(UserError, match="not in train_vocab.s format"):
        vocabulary.load_tokenizer(vocab_file)


def test_fingerprint_is_of_the_text(write):
    first = vocabulary.fingerprint(write("a.txt", "가\n"))
    assert first == vocabulary.fingerprint(write("b.txt", "가\n"))
    assert first != vocabulary.fingerprint(write("c.txt", "나\n"))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text("가나다", min_size=1, max_size=5), max_size=5))
def test_known_words_round_trip(words):
    pieces = [
        *vocabulary.SPECIAL_TOKENS,
        *"가나다",
        "##가",
        "##나",
        "##다",
        "가나",
        "##다나",
    ]
    tokenizer = vocabulary.wordpiece({token: i for i, token in enumerate(pieces)})
    text = " ".join(words)
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


@settings(deadline=None, max_examples=200)
@given(st.text("가나 ㅋa!漢[😂\u200d", max_size=12))
def test_the_splitter_cuts_as_the_tokenizer_does(text):
    letters = sorted(set("가나ㅋa!漢[😂"))
    pieces = [*vocabulary.SPECIAL_TOKENS, *letters, *("##" + c for c in letters)]
    tokenizer = vocabulary.wordpiece({token: i for i, token in enumerate(pieces)})
    words: list[str] = []
    for token in tokenizer.encode(text, add_special_tokens=False).tokens:
        if token.startswith("##"):
            words[-1] += token[2:]
        else:
            words.append(token)
    assert vocabulary.word_splitter(TokenizerOptions())(text) == words


def test_the_splitter_leaves_special_tokens_out():
    split = vocabulary.word_splitter(OPTIONS)
    assert split("전화[PHONE]으로") == ["전화", "으로"]
    assert split("[MASK]{laughing}") == []
    assert vocabulary.word_splitter(TokenizerOptions())("[PHONE]") == [
        "[",
        "PHONE",
        "]",
    ]


def test_the_splitter_normalizes_as_the_tokenizer_does():
    assert vocabulary.word_splitter(TokenizerOptions(True))("가A") == ["가a"]
    split = vocabulary.word_splitter(TokenizerOptions(True, True))
    assert split("한") == ["\u1112\u1161\u11ab"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*vocabulary.SPECIAL_TOKENS, "가", "", "나"], "line 7 is empty"),
        ([*vocabulary.SPECIAL_TOKENS, "가", "가"], "line 7 repeats '가'"),
        (["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "가"], "first five lines must"),
        (["가", "나"], "begins with 가 나; its first five lines must be"),
        ([], "is empty: a line per token is needed"),
    ],
)
def test_malformed_vocabulary_is_refused(write, lines, message):
    path = write("vocab.txt", "".join(line + "\n" for line in lines))
    with pytest.raises(UserError, match=message):
        vocabulary.load_tokenizer(path)


def test_last_line_may_lack_its_newline(write):
    path = write("vocab.txt", "\n".join([*vocabulary.SPECIAL_TOKENS, "가"]))
    assert vocabulary.read(path)["가"] == 5


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (("[PHONE]", "[PHONE]"), "is already a special token"),
        (("[MASK]",), "is already a special token"),
        (("[A B]",), "contains a space"),
        (("",), "is empty"),
        (("BOS",), "is a plain word"),
        (("!",), "is a plain word"),
    ],
)
def test_bad_special_tokens_are_refused(tokens, message):
    with pytest.raises(UserError, match=message):
        vocabulary.check_special_tokens(tokens)


def test_hwahae_s_special_tokens_are_taken():
    names = ("[PHONE]", "[EMAIL]", "[PERSON]", "{laughing}", "[BOS]", "[UNK0]")
    vocabulary.check_special_tokens(names)
