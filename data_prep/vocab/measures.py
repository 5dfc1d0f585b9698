"""Measures a vocabulary on held-out text.

Words are separated by spaces (eojeol) unless stated otherwise.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from tokenizers import BertWordPieceTokenizer, Encoding

from common import files
from common.errors import UserError
from data_prep.vocab import vocabulary

PERCENTILES = (50, 90, 95, 99, 100)
_TOP_CAUSES = 20
_BATCH = 10_000
_SYLLABLES = [chr(code) for code in range(ord("가"), ord("힣") + 1)]
# Python's codec writes the other syllables as eight bytes, jamo by jamo.
_KS_X_1001 = [c for c in _SYLLABLES if len(c.encode("euc_kr")) == 2]
_LONG_WORD = f"longer than {vocabulary.MAX_WORD_LENGTH} characters"


def _sums(
    tokenizer: BertWordPieceTokenizer, words: Counter[str], known: set[str]
) -> tuple[Counter[str], Counter[str], dict[str, int]]:
    """(sums of `_counts`, words by cause of [UNK], tokens of each distinct word)."""
    tally: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    lengths = {}
    distinct = list(words)
    for begin in range(0, len(distinct), _BATCH):
        batch = distinct[begin : begin + _BATCH]
        encodings = tokenizer.encode_batch(batch, add_special_tokens=False)
        for word, encoding in zip(batch, encodings, strict=True):
            lengths[word] = len(encoding.ids)
            count = words[word]
            tally.update({k: count * v for k, v in _counts(word, encoding).items()})
            for cause in _unk_causes(word, encoding, known):
                causes[cause] += count
    return tally, causes, lengths


def _counts(word: str, encoding: Encoding) -> dict[str, int]:
    """What one occurrence of a word adds to the sums over a text."""
    sizes = Counter(encoding.word_ids)
    tokens, unk = len(encoding.ids), encoding.ids.count(vocabulary.UNK_ID)
    is_hangul = all("가" <= c <= "힣" for c in word)
    return {
        "words": 1,
        "tokens": tokens,
        "unk_words": int(unk > 0),
        "unk_tokens": unk,
        "cut_words": len(sizes),  # split at punctuation too, as by the tokenizer
        "whole_words": sum(size == 1 for size in sizes.values()) - unk,
        "syllables": len(word) * is_hangul,
        "syllable_tokens": tokens * is_hangul,
    }


def _unk_causes(word: str, encoding: Encoding, known: set[str]) -> Iterator[str]:
    """Why parts of a word are [UNK]: characters that are not tokens, or the length."""
    for token, (begin, end) in zip(encoding.ids, encoding.offsets, strict=True):
        part = word[begin:end]
        if token == vocabulary.UNK_ID and len(part) > vocabulary.MAX_WORD_LENGTH:
            yield _LONG_WORD
        elif token == vocabulary.UNK_ID:
            forms = dict.fromkeys([part[:1], *("##" + c for c in part[1:])])
            yield from (form for form in forms if form not in known)


def measure(
    tokenizer: BertWordPieceTokenizer, lines: Sequence[str], special_tokens: list[str]
) -> dict[str, Any]:
    """Figures of one tokenizer; shares are from 0 to 1, lengths in tokens.

    Args:
      tokenizer: as from `vocabulary.load_tokenizer`.
      lines: text that the vocabulary was not trained on.
      special_tokens: those for which to check that text leaves them whole.

    Raises:
      UserError: the lines contain no word.
    """
    words = Counter(word for line in lines for word in line.split())
    if not words:
        raise UserError("--input contains no word: pass held-out text")
    known = set(tokenizer.get_vocab())
    tally, causes, lengths = _sums(tokenizer, words, known)
    line_lengths = [2 + sum(map(lengths.__getitem__, x.split())) for x in lines]
    return {
        "vocab_size": len(known),
        "unk_tokens": tally["unk_tokens"] / tally["tokens"],
        "unk_words": tally["unk_words"] / tally["words"],
        "tokens_per_word": tally["tokens"] / tally["words"],
        "tokens_per_syllable": tally["syllable_tokens"] / max(tally["syllables"], 1),
        "whole_words": tally["whole_words"] / tally["cut_words"],
        "special_tokens_whole": _special_tokens_whole(tokenizer, special_tokens),
        "ks_x_1001_syllables": _coverage(known, _KS_X_1001),
        "all_syllables": _coverage(known, _SYLLABLES),
        "sequence_length": {
            str(p): float(np.percentile(line_lengths, p)) for p in PERCENTILES
        },
        "characters_per_second": _speed(tokenizer, lines),
        "unk_causes": dict(causes.most_common(_TOP_CAUSES)),
    }


def _special_tokens_whole(
    tokenizer: BertWordPieceTokenizer, special_tokens: list[str]
) -> float:
    def is_whole(token: str) -> bool:
        tokens = tokenizer.encode(f"가{token}나 {token}!", add_special_tokens=False)
        return tokens.tokens.count(token) == 2

    return sum(map(is_whole, special_tokens)) / len(special_tokens)


def _coverage(known: set[str], syllables: list[str]) -> float:
    """Share of syllables that are tokens both at the start of a word and inside."""
    return sum(c in known and "##" + c in known for c in syllables) / len(syllables)


def _speed(tokenizer: BertWordPieceTokenizer, lines: Sequence[str]) -> float:
    """Characters per second with the default threads of `tokenizers`, best of three.

    The first run fills the tokenizer's cache, and other programs slow single runs.
    """
    batch = list(lines[:_BATCH])
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        tokenizer.encode_batch(batch, add_special_tokens=False)
        seconds.append(time.perf_counter() - start)
    return sum(map(len, batch)) / min(seconds)


def span_boundaries(
    tokenizer: BertWordPieceTokenizer, squad_file: str
) -> dict[str, float]:
    """How many answers in a file of SQuAD's format lie on token boundaries.

    Returns:
      The number of answers, and the shares whose first character begins a token, whose
      last one ends a token, and both.

    Raises:
      UserError: another format, or an answer that is not at its answer_start.
    """
    hits = Counter()
    for context, answers in _read_squad(squad_file):
        offsets = tokenizer.encode(context, add_special_tokens=False).offsets
        starts, ends = (set(side) for side in zip(*offsets, strict=True))
        for begin, end in answers:
            at_start, at_end = begin in starts, end in ends
            hits.update(answers=1, start=at_start, end=at_end, both=at_start and at_end)
    if not hits["answers"]:
        raise UserError(f"{squad_file} contains no answer")
    shares = {name: hits[name] / hits["answers"] for name in ("start", "end", "both")}
    return {"answers": hits["answers"], **shares}


def _read_squad(squad_file: str) -> list[tuple[str, list[tuple[int, int]]]]:
    """(context, [(begin, end) of each question's answers, in characters])."""
    try:
        paragraphs = [
            paragraph
            for article in files.read_json(squad_file)["data"]
            for paragraph in article["paragraphs"]
        ]
        return [(p["context"], _answer_spans(p)) for p in paragraphs]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{squad_file} is not in the format of SQuAD and KorQuAD 1.0: {error!r}"
        ) from error


def _answer_spans(paragraph: dict[str, Any]) -> list[tuple[int, int]]:
    spans = []
    for question in paragraph["qas"]:
        for answer in question["answers"]:
            begin, text = answer["answer_start"], answer["text"]
            if not paragraph["context"].startswith(text, begin):
                raise ValueError(f"{text!r} is not at character {begin} of its context")
            spans.append((begin, begin + len(text)))
    return spans


def side_by_side(
    tokenizers: dict[str, BertWordPieceTokenizer], lines: Sequence[str]
) -> list[dict[str, Any]]:
    """Each line with its tokens in each vocabulary."""
    return [
        {
            "text": line,
            "tokens": {
                name: tokenizer.encode(line, add_special_tokens=False).tokens
                for name, tokenizer in tokenizers.items()
            },
        }
        for line in lines
    ]
