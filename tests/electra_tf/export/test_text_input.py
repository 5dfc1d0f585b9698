"""Ids from TensorFlow's operations against those of the training's tokenizer."""

import itertools
import json
import random
from collections import Counter

import pytest
import tensorflow as tf
from tokenizers import Encoding, Tokenizer

from common.errors import UserError
from data_prep.vocab import vocabulary
from data_prep.vocab.vocabulary import CLS_ID, MASK_ID, PAD_ID, SEP_ID, UNK_ID

pytest.importorskip("tensorflow_text", reason="pip install 'korean-electra-tf[text]'")

from electra_tf.export.text_input import TextInput, Tokens

KNOWN = "가나다라ㅋㅠabAB12.!?[]漢é☆🙂"
PIECES = [
    *("가나", "다라가", "ab", "AB12", "모름", "漢字", "é", "e\u0301", "3.5%", "#해"),
    *("ㅋ" * 99, "ㅋ" * 100, "ㅠ" * 101, "🙂" * 100, "가" * 34),
    *("[PHONE]", "[PH", "ONE]", "[MASK]", "[UNK]", "[[PHONE]]", "{laughing}", "[CLS]"),
    *("\u200b", "\u200d", "\ufe0f", "\ufffd", "\ue000", "\x00", "\x07", "\xad"),
    *("\x85", " ", "\t", "\n", "\r", "\xa0", "\u3000", "\u2028", "·", "“", "〜", "𠮷"),
    *("👍🏽", "🇰🇷", "👨\u200d👩\u200d👧", "1\ufe0f\u20e3", "\U0001fae0", "ﬁ", "Σ", "İ"),
    "\u1112\u1161\u11ab",
]
# Characters that the tokenizer removes, in the pieces.
REMOVED = set("\u200b\u200d\ufffd\ue000\x00\x07\xad\x85")


def lines() -> list[str]:
    rng = random.Random(0)
    mixed = ["".join(rng.choices(PIECES, k=rng.randint(0, 8))) for _ in range(3000)]
    # Every code point, each between two known words.
    codes = [c for c in range(0x30000) if c not in range(0xD800, 0xE000)]
    blocks = (codes[i : i + 128] for i in range(0, len(codes), 128))
    return mixed + ["".join(f"가{chr(c)}나" for c in block) for block in blocks]


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> str:
    """Content of a tokenizer.json."""
    folder = tmp_path_factory.mktemp("vocab")
    special = ("[PHONE]", "{laughing}")
    tokens = [*KNOWN, *("##" + c for c in KNOWN), "가나", "##라가"]
    options = vocabulary.TokenizerOptions(special_tokens=special)
    vocabulary.save(
        str(folder), [*vocabulary.SPECIAL_TOKENS, *special, *tokens], options
    )
    return (folder / vocabulary.TOKENIZER_FILE).read_text("utf-8")


@pytest.fixture(scope="module")
def text_input(saved) -> TextInput:
    return TextInput("tokenizer.json", saved, max_seq_length=1 << 20)


def rows(tokens: Tokens, values: tf.Tensor) -> list[list[int]]:
    """The values of each row's tokens."""
    pairs = zip(values.numpy().tolist(), tokens.lengths.numpy(), strict=True)
    return [row[:length] for row, length in pairs]


def byte_offsets(encoding: Encoding, line: str) -> list[tuple[int, int]]:
    sizes = (len(character.encode("utf-8")) for character in line)
    at = list(itertools.accumulate(sizes, initial=0))
    return [(at[start], at[end]) for start, end in encoding.offsets]


def test_ids_are_the_training_tokenizers(saved, text_input):
    texts = lines()
    tokens = text_input(tf.constant([text.encode("utf-8") for text in texts]))
    encodings = Tokenizer.from_str(saved).encode_batch(texts, add_special_tokens=False)
    assert rows(tokens, tokens.input_ids[:, 1:]) == [e.ids for e in encodings]
    # The lines hold words that are known, and all kinds of special tokens.
    count = Counter(i for encoding in encodings for i in encoding.ids)
    assert {UNK_ID, CLS_ID, MASK_ID, 5, 6} < count.keys()
    assert count[text_input.tokens.index("##라가")] > 100


def test_offsets_are_the_training_tokenizers(saved, text_input):
    kept = [piece for piece in PIECES if not set(piece) & REMOVED]
    rng = random.Random(1)
    texts = ["".join(rng.choices(kept, k=6)) for _ in range(500)]
    tokens = text_input(tf.constant([text.encode("utf-8") for text in texts]))
    starts, ends = rows(tokens, tokens.starts), rows(tokens, tokens.ends)
    encodings = Tokenizer.from_str(saved).encode_batch(texts, add_special_tokens=False)
    for i, (encoding, text) in enumerate(zip(encodings, texts, strict=True)):
        found = list(zip(starts[i], ends[i], strict=True))
        assert found == byte_offsets(encoding, text), text


def test_tokens_of_a_word_that_lost_a_character_span_the_word(text_input):
    tokens = text_input(tf.constant(["가 가\u200b나ㅋ".encode()]))
    assert rows(tokens, tokens.starts) == [[0, 4, 4]]
    assert rows(tokens, tokens.ends) == [[3, 16, 16]]


def test_rows_are_framed_padded_and_cut(saved):
    short = TextInput("tokenizer.json", saved, max_seq_length=4)
    tokens = short(tf.constant(["가 가 가", "", "가".encode()]))
    ga = short.tokens.index("가")
    assert tokens.input_ids.numpy().tolist() == [
        [CLS_ID, ga, ga, SEP_ID],
        [CLS_ID, SEP_ID, PAD_ID, PAD_ID],
        [CLS_ID, ga, SEP_ID, PAD_ID],
    ]
    assert tokens.input_mask.numpy().tolist() == [[1] * 4, [1, 1, 0, 0], [1, 1, 1, 0]]
    assert tokens.lengths.numpy().tolist() == [2, 0, 1]
    assert not tokens.segment_ids.numpy().any()


def test_what_is_no_utf8_is_removed(text_input):
    tokens = text_input(tf.constant([b"\xea\xb0\x80\xff\xfe ab\xea\xb0", b"\xff"]))
    expected = text_input(tf.constant(["가 ab", ""]))
    assert rows(tokens, tokens.input_ids) == rows(expected, expected.input_ids)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t["normalizer"].update(lowercase=True), "normalizer"),
        (lambda t: t["normalizer"].update(strip_accents=None), "normalizer"),
        (lambda t: t.update(normalizer=None), "normalizer"),
        (lambda t: t.update(pre_tokenizer={"type": "Whitespace"}), "pre_tokenizer"),
        (lambda t: t["model"].update(continuing_subword_prefix="@@"), "model"),
        (lambda t: t["added_tokens"][4].update(lstrip=True), "added token"),
    ],
)
def test_tokenizers_out_of_reach_are_refused(saved, change, problem):
    description = json.loads(saved)
    change(description)
    with pytest.raises(
        UserError, match=f"x.json: TensorFlow's .* cannot express {problem}"
    ):
        TextInput("x.json", json.dumps(description), max_seq_length=16)
