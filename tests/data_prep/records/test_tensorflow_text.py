"""tensorflow-text's FastBertTokenizer gives the training tokenizer's ids.

Compared on every code point below U+20000, with `tokenizers` 0.23 and tensorflow-text
2.21, these rules differ:
  * a word's limit is bytes (max_bytes_per_word, by default 100: 33 syllables) there,
    100 characters here;
  * control and format characters, as the joiner of emoji, end a word there and vanish
    here; private-use characters and U+FFFD stay there and vanish here;
  * special tokens in text are cut there;
  * punctuation newer than Unicode 8, none of it Korean, ends a word only there.
"""

import random

import pytest

from data_prep.vocab import vocabulary
from data_prep.vocab.alphabet import EMOJI, JAMO, Alphabet
from data_prep.vocab.training import Layout, learn

pytest.importorskip("tensorflow_text", reason="pip install 'korean-electra-tf[text]'")

# 100 characters of four bytes, the longest that are no [UNK] to `tokenizers`.
MAX_BYTES = 400


def words() -> dict[str, int]:
    rng = random.Random(0)
    syllables = [chr(0xAC00 + 28 * i) for i in range(300)]
    return {"".join(rng.choices(syllables, k=1 + i % 4)): 2 + i for i in range(900)}


def lines() -> list[str]:
    """Everything that Korean text may hold; no word is over 100 characters."""
    rng = random.Random(1)
    known = list(words())
    odd = [*JAMO, *EMOJI, *"漢字語𠮷·“〜é", "ABC123", "3.5%", "...", "#해"]
    odd += ["🇰🇷", "👍🏽", "❤\ufe0f", "\u1112\u1161\u11ab", "\u3000", "\t"]
    odd += ["ㅋ" * 50, "ㅠ" * 100, "가" * 100, "😂" * 100]
    found = []
    for _ in range(2000):
        parts = rng.choices(known, k=6) + rng.choices(odd, k=4)
        rng.shuffle(parts)
        spaced = [part + rng.choice(["", " ", " "]) for part in parts]
        found.append("".join(spaced))
    return [x for x in found if max(map(len, x.split())) <= vocabulary.MAX_WORD_LENGTH]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """(ids by training's tokenizer, ids by tensorflow-text), functions of lines."""
    import tensorflow as tf
    import tensorflow_text

    alphabet = Alphabet()
    alphabet.add(words())
    split = vocabulary.word_splitter(vocabulary.TokenizerOptions())
    kept = alphabet.choose(6000, split)
    layout = Layout(("[PHONE]",), alphabet.tokens(kept, split))
    folder = str(tmp_path_factory.mktemp("vocab"))
    options = vocabulary.TokenizerOptions(special_tokens=("[PHONE]",))
    vocabulary.save(folder, learn(words(), layout, 2000, 2), options)
    ours = vocabulary.load_tokenizer(f"{folder}/vocab.txt")

    def theirs(texts: list[str], max_bytes: int = MAX_BYTES) -> list[list[int]]:
        op = tensorflow_text.FastBertTokenizer(
            vocabulary.read_tokens(f"{folder}/vocab.txt"),
            token_out_type=tf.int32,
            max_bytes_per_word=max_bytes,
        )
        return op.tokenize(texts).merge_dims(1, -1).to_list()

    def trained(texts: list[str]) -> list[list[int]]:
        return [e.ids for e in ours.encode_batch(texts, add_special_tokens=False)]

    return trained, theirs


def test_ids_are_the_same(tokenizers):
    trained, theirs = tokenizers
    texts = lines()
    assert len(texts) > 1000
    assert theirs(texts) == trained(texts)


def test_the_default_limit_makes_34_syllables_unknown(tokenizers):
    trained, theirs = tokenizers
    texts = ["가" * 33, "가" * 34]
    assert [vocabulary.UNK_ID in ids for ids in theirs(texts, 100)] == [False, True]
    assert [vocabulary.UNK_ID in ids for ids in trained(texts)] == [False, False]


def test_words_over_100_characters_differ(tokenizers):
    trained, theirs = tokenizers
    texts = ["ㅋ" * 101, "ㅋ" * 133]
    assert trained(texts) == [[vocabulary.UNK_ID]] * 2
    assert not [ids for ids in theirs(texts) if vocabulary.UNK_ID in ids]
    assert theirs(["ㅋ" * 134]) == [[vocabulary.UNK_ID]]  # 402 bytes.


@pytest.mark.parametrize("removed", ["\u200d", "\u200b", "\x07", "\xad"])
def test_format_characters_end_a_word_there_alone(tokenizers, removed):
    trained, theirs = tokenizers
    assert trained([f"ㅋ{removed}ㅋ"]) == trained(["ㅋㅋ"]) == theirs(["ㅋㅋ"])
    assert theirs([f"ㅋ{removed}ㅋ"]) == theirs(["ㅋ ㅋ"])


@pytest.mark.parametrize("removed", ["\ue000", "\ufffd"])
def test_characters_without_meaning_stay_there_alone(tokenizers, removed):
    trained, theirs = tokenizers
    assert trained([f"ㅋ{removed}ㅋ"]) == trained(["ㅋㅋ"])
    assert theirs([f"ㅋ{removed}ㅋ"]) == [[vocabulary.UNK_ID]]


def test_special_tokens_in_text_differ(tokenizers):
    trained, theirs = tokenizers
    assert trained(["[PHONE]"]) == [[5]]
    assert 5 not in theirs(["[PHONE]"])[0]
