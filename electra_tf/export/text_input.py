"""Text -> token ids inside a TensorFlow graph, equal to those of the tokenizer.

tensorflow-text's own BERT tokenizers differ from the `tokenizers` package on special
tokens in text, removed characters, recent punctuation and long words. So text is cut
into words here, by character classes found by probing the tokenizer itself; only the
words go to tensorflow-text's WordPiece.
"""

import collections
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from tokenizers import Tokenizer

from common.errors import UserError
from data_prep.rules.characters import regex_class
from data_prep.vocab import vocabulary
from data_prep.vocab.vocabulary import CLS_ID, PAD_ID, SEP_ID, UNK_ID

_REMOVED, _SPACE, _ALONE, _INSIDE = "removed", "space", "alone", "inside"
_PROBED_AT_ONCE = 256
_SURROGATES = range(0xD800, 0xE000)
_BERT_NORMALIZER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "strip_accents": False,
    "lowercase": False,
}
_MATCHED_EXACTLY = {
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": False,
}


class Tokens(NamedTuple):
    """Rows of ids between [CLS] and [SEP], and the place of each token in the text."""

    input_ids: tf.Tensor  # int32 [B, L], L the longest row
    input_mask: tf.Tensor  # int32 [B, L]
    segment_ids: tf.Tensor  # int32 [B, L], 0
    text: tf.Tensor  # string [B], cleaned
    lengths: tf.Tensor  # int32 [B], without [CLS] and [SEP]
    # int32 [B, L - 2]: first byte of each token in `text`, and the byte after its last.
    # Where characters of a word were removed, each of its tokens spans the word.
    starts: tf.Tensor
    ends: tf.Tensor


def character_classes(tokenizer: Tokenizer) -> dict[str, list[str]]:
    """Every character by what the tokenizer makes of it between two letters.

    Returns:
      Characters that are removed, that end a word as a space does, that are words by
      themselves, and that are inside words.
    """
    classes: dict[str, list[str]] = collections.defaultdict(list)
    for start in range(0, 0x110000, _PROBED_AT_ONCE):
        codes = range(start, start + _PROBED_AT_ONCE)
        characters = [chr(code) for code in codes if code not in _SURROGATES]
        for name, some in _classes(tokenizer, characters).items():
            classes[name] += some
    return classes


def _classes(tokenizer: Tokenizer, characters: list[str]) -> dict[str, list[str]]:
    """The characters of a block by class; most blocks have one and need one probe."""

    def split(text: str) -> list[str]:
        normal = tokenizer.normalizer.normalize_str(text)
        return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]

    block = "".join(characters)
    if not tokenizer.normalizer.normalize_str(block):
        return {_REMOVED: characters}
    if split(block) == [block]:
        return {_INSIDE: characters}
    classes = collections.defaultdict(list)
    by_number = {1: _INSIDE, 2: _SPACE, 3: _ALONE}
    for character in characters:
        words = split(f"a{character}b")
        name = _REMOVED if words == ["ab"] else by_number[len(words)]
        classes[name].append(character)
    return classes


def _check_tokenizer(description: Mapping[str, Any], where: str) -> None:
    """Refuses tokenizers that the operations in `TextInput` cannot express."""
    normalizer = description["normalizer"] or {}
    model = description["model"]
    strange = [
        t for t in description["added_tokens"] if _MATCHED_EXACTLY.items() - t.items()
    ]
    if _BERT_NORMALIZER.items() - normalizer.items():
        problem = f"normalizer {normalizer}"
    elif (description["pre_tokenizer"] or {}).get("type") != "BertPreTokenizer":
        problem = f"pre_tokenizer {description['pre_tokenizer']}"
    elif (model["type"], model["continuing_subword_prefix"]) != ("WordPiece", "##"):
        problem = f"model {model['type']} {model['continuing_subword_prefix']!r}"
    elif strange:
        problem = f"added token {strange[0]}"
    else:
        return
    raise UserError(
        f"{where}: TensorFlow's operations cannot express {problem}, only a cased BERT "
        "WordPiece tokenizer, such as data_prep.train_vocab makes"
    )


class TextInput(tf.Module):
    """Strings -> the inputs of the networks."""

    def __init__(
        self,
        where: str,
        tokenizer_json: str,
        max_seq_length: int,
        clean: Callable[[tf.Tensor], tf.Tensor] = lambda texts: texts,
    ):
        """
        Args:
          where: the tokenizer is from, for error messages.
          tokenizer_json: the content of its tokenizer.json.
          clean: string [B] -> [B], applied before tokenizing.

        Raises:
          UserError: the tokenizer cannot be expressed, or tensorflow-text is missing.
        """
        super().__init__()
        try:
            import tensorflow_text
        except ImportError as error:
            raise UserError(
                "text in a SavedModel needs tensorflow-text: pip install "
                "'korean-electra-tf[text]'"
            ) from error
        description = json.loads(tokenizer_json)
        _check_tokenizer(description, where)
        tokenizer = Tokenizer.from_str(tokenizer_json)
        ids = tokenizer.get_vocab(with_added_tokens=True)
        self.tokens = tuple(sorted(ids, key=ids.__getitem__))
        self.max_tokens = max_seq_length - 2
        self._clean = clean
        self._max_word_length = description["model"]["max_input_chars_per_word"]
        self._wordpiece = tensorflow_text.FastWordpieceTokenizer(
            list(self.tokens),
            token_out_type=tf.int32,
            # `_wordpieces` limits characters, of which the longest has four bytes.
            max_bytes_per_word=4 * self._max_word_length,
            no_pretokenization=True,
        )
        self._split = tensorflow_text.regex_split_with_offsets
        classes = character_classes(tokenizer)
        self._removed = f"[{regex_class(classes[_REMOVED])}]+"
        special = [token["content"] for token in description["added_tokens"]]
        whole = map(re.escape, sorted(special, key=len, reverse=True))
        self._kept_delimiters = "|".join([*whole, f"[{regex_class(classes[_ALONE])}]"])
        space = regex_class(classes[_SPACE])
        self._delimiters = f"{self._kept_delimiters}|[{space}]+"

    def __call__(self, texts: tf.Tensor) -> Tokens:
        """string [B] in UTF-8; invalid bytes are removed."""
        valid = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        clean = self._clean(valid)
        ids, starts, ends = (x[:, : self.max_tokens] for x in self._rows(clean))
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        input_ids = _framed(ids.to_tensor(PAD_ID), lengths)
        return Tokens(
            input_ids,
            tf.sequence_mask(lengths + 2, tf.shape(input_ids)[1], tf.int32),
            tf.zeros_like(input_ids),
            clean,
            lengths,
            tf.cast(starts.to_tensor(), tf.int32),
            tf.cast(ends.to_tensor(), tf.int32),
        )

    def _rows(self, texts: tf.Tensor) -> list[tf.RaggedTensor]:
        """Ids, starts and ends, each [B, (tokens)]."""
        # The splitting operation stops at a NUL; \x01 is removed later, as NUL is.
        texts = tf.strings.regex_replace(texts, r"\x00", "\x01")
        raw, begins, ends = self._split(texts, self._delimiters, self._kept_delimiters)
        text_of = raw.value_rowids()
        # Flat from here on, because operations on ragged tensors make large graphs.
        words = tf.strings.regex_replace(raw.flat_values, self._removed, "")
        is_word = words != ""
        raw, words, begins, ends, text_of = (
            tf.boolean_mask(x, is_word)
            for x in (raw.flat_values, words, begins.values, ends.values, text_of)
        )
        ids, word_of, first, last = self._wordpieces(words)
        lost = tf.strings.length(raw) > tf.strings.length(words)
        spans_word = tf.gather(lost, word_of) | (ids == UNK_ID)
        begin, end, row_of = (tf.gather(x, word_of) for x in (begins, ends, text_of))
        starts = tf.where(spans_word, begin, begin + first)
        ends = tf.where(spans_word, end, begin + last)
        nrows = tf.size(texts, tf.int64)
        return [
            tf.RaggedTensor.from_value_rowids(x, row_of, nrows, validate=False)
            for x in (ids, starts, ends)
        ]

    def _wordpieces(self, words: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """string [W] -> for each piece: its id, its word's index, its begin and end."""
        is_long = tf.strings.length(words, "UTF8_CHAR") > self._max_word_length
        known = tf.where(is_long, vocabulary.SPECIAL_TOKENS[UNK_ID], words)
        ids, begins, ends = self._wordpiece.tokenize_with_offsets(known)
        begins, ends = (tf.cast(x.flat_values, tf.int64) for x in (begins, ends))
        return ids.flat_values, ids.value_rowids(), begins, ends


def _framed(ids: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """int32 [B, T] -> [B, T + 2], with [CLS] before and [SEP] after the tokens."""
    framed = tf.pad(ids, [[0, 0], [1, 1]], constant_values=PAD_ID)
    positions = tf.range(tf.shape(framed)[1])
    framed = tf.where(positions == 0, CLS_ID, framed)
    return tf.where(positions == lengths[:, None] + 1, SEP_ID, framed)
