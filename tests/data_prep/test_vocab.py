"""Vocabularies and their tokenizer."""

import json
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import vocab
from data_prep.cli import UserError

LINES = [
    "한국어 모델을 처음부터 학습한다",
    "한국어 댓글은 참 재미있다ㅋㅋㅋ",
    "Korean 댓글 123개, 漢字 (괄호)",
    "가족 👨\u200d👩\u200d👧 사진",
] * 5


def train(lines: list[str], size: int = 200, limit: int = 6000) -> list[str]:
    alphabet = vocab.Alphabet()
    for line in lines:
        alphabet.add(line)
    return vocab.train(vocab.batches(iter(lines)), alphabet, size, limit, 2)


@pytest.fixture
def vocab_file(tmp_path):
    vocab.save(str(tmp_path), train(LINES))
    return str(tmp_path / "vocab.txt")


def random_lines() -> list[str]:
    """Many characters and pairs of equal frequency: ties for the trainer to break."""
    rng = random.Random(0)
    syllables = [chr(0xAC00 + 7 * i) for i in range(300)]
    words = ["".join(rng.choices(syllables, k=3)) for _ in range(600)]
    return [" ".join(rng.choices(words, k=6)) for _ in range(300)]


def test_special_tokens_come_first(vocab_file):
    ids = vocab.read(vocab_file)
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    assert [ids[name] for name in names] == [0, 1, 2, 3, 4]
    assert list(ids.values()) == list(range(len(ids)))


def test_training_again_gives_the_same_tokens():
    lines = random_lines()
    assert train(lines, 900) == train(lines, 900)
    assert train(lines, 600, limit=150) == train(lines, 600, limit=150)


def test_training_in_another_process_gives_the_same_tokens():
    code = (
        "import json, test_vocab as t;print(json.dumps(t.train(t.random_lines(), 900)))"
    )
    here = os.path.dirname(__file__)
    root = os.path.dirname(os.path.dirname(here))
    out = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((root, here))},
    )
    assert json.loads(out.stdout) == train(random_lines(), 900)


def test_every_single_character_token_can_occur():
    single = {t for t in train(LINES) if len(t.removeprefix("##")) == 1}
    assert {"한", "##국", "漢", "字", "(", "👨", "##👩", "##ㅋ"} <= single
    assert not {"##漢", "##字", "##(", "##괄", "\u200d", "##\u200d", " "} & single


def test_alphabet_keeps_the_most_frequent_characters():
    alphabet = vocab.Alphabet()
    for line in ("다나", "나가", "라 나"):
        alphabet.add(line)
    assert len(alphabet) == 4
    assert alphabet.most_frequent(3) == ["나", "가", "다"]
    assert alphabet.inside_words() == {"나", "가"}
    tokens = train(["다나", "나가", "라 나"], limit=3)
    assert tokens[:8] == [*vocab.SPECIAL_TOKENS, "가", "나", "다"]
    assert not {"라", "##라"} & set(tokens)


def test_words_are_learned_and_case_is_kept(vocab_file):
    tokenizer = vocab.load_tokenizer(vocab_file)
    assert tokenizer.encode("한국어", add_special_tokens=False).tokens == ["한국어"]
    assert "K" in vocab.read(vocab_file)
    assert vocab.UNK_ID in tokenizer.encode("KOREA", add_special_tokens=False).ids


def test_syllables_are_not_split_into_jamo(vocab_file):
    tokenizer = vocab.load_tokenizer(vocab_file)
    for line in LINES[:2]:
        tokens = tokenizer.encode(line, add_special_tokens=False).tokens
        assert "".join(t.removeprefix("##") for t in tokens) == line.replace(" ", "")


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_known_words_round_trip(data):
    alphabet = vocab.Alphabet()
    lines = ["가나다", "나다가", "다가나"] * 3
    for line in lines:
        alphabet.add(line)
    tokens = vocab.train(iter([lines]), alphabet, 30, 30, 2)
    tokenizer = vocab._wordpiece({token: i for i, token in enumerate(tokens)})
    word = st.text("가나다", min_size=1, max_size=5)
    text = " ".join(data.draw(st.lists(word, max_size=5)))
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_saved_tokenizer_is_the_vocabulary_s(vocab_file):
    from tokenizers import Tokenizer

    folder = os.path.dirname(vocab_file)
    saved = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    assert saved.get_vocab() == vocab.read(vocab_file)
    text = LINES[0]
    assert saved.encode(text).ids == vocab.load_tokenizer(vocab_file).encode(text).ids
    assert saved.encode(text).ids[0] == vocab.CLS_ID


def test_fingerprint_is_of_the_text(write):
    first = vocab.fingerprint(write("a.txt", "가\n"))
    assert first == vocab.fingerprint(write("b.txt", "가\n"))
    assert first != vocab.fingerprint(write("c.txt", "나\n"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*vocab.SPECIAL_TOKENS, "가", "", "나"], "line 7 is empty"),
        ([*vocab.SPECIAL_TOKENS, "가", "가"], "line 7 repeats '가'"),
        (["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "가"], "first five lines must"),
        (["가", "나"], "begins with 가 나; its first five lines must be"),
    ],
)
def test_malformed_vocabulary_is_refused(write, lines, message):
    path = write("vocab.txt", "".join(line + "\n" for line in lines))
    with pytest.raises(UserError, match=message):
        vocab.load_tokenizer(path)


def test_last_line_may_lack_its_newline(write):
    path = write("vocab.txt", "\n".join([*vocab.SPECIAL_TOKENS, "가"]))
    assert vocab.read(path)["가"] == 5


def test_alphabet_that_fills_the_vocabulary_is_refused():
    tokens = train(["가나다라"], size=12)
    with pytest.raises(UserError, match="--vocab_size=12 leaves no room for a word"):
        vocab.check_size(tokens, 12)
    vocab.check_size(tokens, 13)


def test_batches_are_full_but_the_last():
    assert list(vocab.batches(iter("abcde"), 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(vocab.batches(iter(""), 2)) == []
