"""Questions and their contexts -> the windows of tokens that a network sees.

A window is `[CLS] question [SEP] a part of the context [SEP]`, segments 0 and 1. A
context that is too long for one gets several, `doc_stride` tokens apart, as in
google-research/bert's run_squad.py. F is the number of windows of all rows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from common.cli import UserError
from data_prep.records import ragged
from data_prep.records.ragged import Ragged
from data_prep.vocab.vocabulary import CLS_ID, SEP_ID
from electra_tf.finetune.data.rows import Answer, Row

_NUM_SPECIAL = 3


class Features(NamedTuple):
    """Windows, in the rows' order.

    The positions are those of the gold answer's first and last token in the window;
    both are 0, which is [CLS], where it is not wholly inside.
    """

    input_ids: Ragged  # int32, not padded
    segment_ids: Ragged  # int32
    start_positions: np.ndarray  # int32 [F]
    end_positions: np.ndarray  # int32 [F]
    row_index: np.ndarray  # int32 [F], ascending
    context_position: np.ndarray  # int32 [F]: where in the window the context begins
    first_token: np.ndarray  # int32 [F]: which of the context's tokens stands there
    context_index: np.ndarray  # int32 [F]: a row of token_spans
    token_spans: Ragged  # int32 [tokens, 2]: each token's characters in a context

    @property
    def context_lengths(self) -> np.ndarray:
        """[F]: how many of the context's tokens are in the window."""
        return self.input_ids.lengths - self.context_position - 1


class _Encoded(NamedTuple):
    """The texts of rows, each that repeats only once."""

    texts: list[str]
    ids: Ragged  # int32
    spans: Ragged  # int32 [tokens, 2]
    index: np.ndarray  # int32 [rows]: which text a row has


class _Answers(NamedTuple):
    """Answers that can be trained on, as tokens of their contexts."""

    row: np.ndarray  # int64 [answers], ascending
    tokens: np.ndarray  # int64 [answers, 2]: the first and the last
    is_exact: np.ndarray  # bool [answers]: the tokens hold the answer and no more


def build(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    max_seq_length: int,
    doc_stride: int,
    max_query_length: int,
    drop_unanswered: bool = False,
) -> tuple[Features, dict[str, int]]:
    """Windows of rows, and counts of what was found on the way.

    A row's gold answer is the first that stands where it says. Its tokens are the
    fewest that cover it: the last may go on where the answer ends, with a particle.

    Args:
      tokenizer: one that neither cuts nor pads.
      doc_stride: tokens from one window's part of the context to the next one's.
      max_query_length: tokens; longer questions are cut.
      drop_unanswered: rows without a gold answer get no windows. For training, which
        would take them for rows whose answer is elsewhere.

    Returns:
      The features, and counts. Of rows: "questions", "long_questions" (cut),
      "empty_contexts" (without a token, so without a window), "dropped",
      "not_of_whole_tokens" (every answer begins or ends within a token: no prediction
      is an exact match) and "in_no_window" (the gold answer, which is longer than
      windows overlap). Of answers: "answers", "answer_not_in_text" (another text
      stands at its place) and "answer_without_token". And "windows".

    Raises:
      UserError: the lengths leave no place for the context.
    """
    _check_lengths(max_seq_length, doc_stride, max_query_length)
    questions = _encode([row.text_pair or "" for row in rows], tokenizer)
    contexts = _encode([row.text for row in rows], tokenizer)
    answers, counts = _find_answers(rows, contexts)
    answered, firsts = np.unique(answers.row, return_index=True)
    gold = np.full([len(rows), 2], -1)
    gold[answered] = answers.tokens[firsts]
    wanted = answered if drop_unanswered else np.arange(len(rows))
    features = _windows(
        questions, contexts, wanted, max_seq_length, doc_stride, max_query_length
    )
    features = _with_positions(features, gold)
    num_found = len(np.unique(features.row_index[features.start_positions > 0]))
    num_sayable = len(np.unique(answers.row[answers.is_exact]))
    is_long = questions.ids.lengths > max_query_length
    is_empty = contexts.ids.lengths == 0
    return features, counts | {
        "questions": len(rows),
        "long_questions": _count(is_long[questions.index]),
        "empty_contexts": _count(is_empty[contexts.index]),
        "dropped": len(rows) - len(wanted),
        "not_of_whole_tokens": len(answered) - num_sayable,
        "in_no_window": len(answered) - num_found,
        "windows": len(features.row_index),
    }


def _check_lengths(max_seq_length: int, doc_stride: int, max_query_length: int) -> None:
    if min(doc_stride, max_query_length) < 1:
        raise UserError(
            f"doc_stride={doc_stride}, max_query_length={max_query_length}: both are "
            "numbers of tokens, at least 1"
        )
    if max_seq_length - max_query_length - _NUM_SPECIAL < 1:
        raise UserError(
            f"max_seq_length={max_seq_length} leaves no place for the context beside a "
            f"question of max_query_length={max_query_length} and {_NUM_SPECIAL} "
            "special tokens: raise the first or lower the second"
        )


def _encode(texts: Sequence[str], tokenizer: Tokenizer) -> _Encoded:
    numbers: dict[str, int] = {}
    index = [numbers.setdefault(text, len(numbers)) for text in texts]
    encodings = tokenizer.encode_batch(list(numbers), add_special_tokens=False)
    ids = Ragged.from_rows([encoding.ids for encoding in encodings])
    spans = [np.array(e.offsets, np.int32).reshape(-1, 2) for e in encodings]
    spans = np.concatenate([np.zeros([0, 2], np.int32), *spans])
    return _Encoded(
        list(numbers), ids, Ragged(spans, ids.offsets), np.array(index, np.int32)
    )


def _find_answers(
    rows: Sequence[Row], contexts: _Encoded
) -> tuple[_Answers, dict[str, int]]:
    """Answers that stand where they say and have tokens; counts of the others."""
    labels = [(i, answer) for i, row in enumerate(rows) for answer in row.label or ()]
    standing = [(i, answer) for i, answer in labels if _stands(answer, rows[i].text)]
    row = np.array([i for i, _ in standing], np.int64)
    places = np.array([_place(answer) for _, answer in standing], np.int64)
    context = contexts.index[row]
    # One long text of all contexts, so that one search finds the tokens of all answers.
    lengths = np.array([len(text) for text in contexts.texts], np.int64)
    begins = np.cumsum(lengths) - lengths
    spans = contexts.spans.values + np.repeat(begins, contexts.ids.lengths)[:, None]
    places = places.reshape(-1, 2) + begins[context][:, None]
    first = np.searchsorted(spans[:, 1], places[:, 0], "right")
    last = np.searchsorted(spans[:, 0], places[:, 1], "left") - 1
    has_token = first <= last
    row, context, places = row[has_token], context[has_token], places[has_token]
    tokens = np.stack([first, last], -1)[has_token]
    covered = np.stack([spans[tokens[:, 0], 0], spans[tokens[:, 1], 1]], -1)
    answers = _Answers(
        row,
        tokens - contexts.ids.offsets[context][:, None],
        (covered == places).all(-1),
    )
    return answers, {
        "answers": len(labels),
        "answer_not_in_text": len(labels) - len(standing),
        "answer_without_token": _count(~has_token),
    }


def _stands(answer: Answer, text: str) -> bool:
    return answer.start >= 0 and text.startswith(answer.text, answer.start)


def _place(answer: Answer) -> tuple[int, int]:
    """Its characters, less the spaces around it, which no token holds."""
    begin = answer.start + len(answer.text) - len(answer.text.lstrip())
    return begin, answer.start + len(answer.text.rstrip())


def _windows(
    questions: _Encoded,
    contexts: _Encoded,
    rows: np.ndarray,
    max_seq_length: int,
    doc_stride: int,
    max_query_length: int,
) -> Features:
    """Windows of the given rows, without the answers' positions."""
    cut = np.minimum(questions.ids.lengths, max_query_length)
    asked = questions.ids.truncate(cut).take(questions.index[rows])
    context = contexts.index[rows]
    num_tokens = contexts.ids.lengths[context]
    room = max_seq_length - asked.lengths - _NUM_SPECIAL
    stride = np.minimum(doc_stride, room)  # no token is left out
    # The last window is the first one that reaches the context's end.
    number = 1 + np.maximum(0, -(-(num_tokens - room) // stride))
    number = np.where(num_tokens > 0, number, 0)
    of_row = np.repeat(np.arange(len(rows)), number)
    nth = np.arange(len(of_row)) - np.repeat(np.cumsum(number) - number, number)
    first_token = nth * stride[of_row]
    lengths = np.minimum(num_tokens[of_row] - first_token, room[of_row])
    asked, context = asked.take(of_row), context[of_row]
    starts = contexts.ids.offsets[context] + first_token
    input_ids, segment_ids = _assemble(asked, contexts.ids.slices(starts, lengths))
    zeros = np.zeros(len(of_row), np.int32)
    return Features(
        input_ids=input_ids,
        segment_ids=segment_ids,
        start_positions=zeros,
        end_positions=zeros,
        row_index=rows[of_row].astype(np.int32),
        context_position=(asked.lengths + 2).astype(np.int32),
        first_token=first_token.astype(np.int32),
        context_index=context,
        token_spans=contexts.spans,
    )


def _assemble(questions: Ragged, parts: Ragged) -> tuple[Ragged, Ragged]:
    """Ids and segments of `[CLS] question [SEP] part [SEP]`, row by row."""
    pieces = ragged.concatenate(
        [Ragged.from_rows([[CLS_ID], [SEP_ID]]), questions, parts]
    )
    question = 2 + np.arange(len(questions))
    cls, sep = np.zeros_like(question), np.ones_like(question)
    order = np.stack([cls, question, sep, question + len(questions), sep], -1)
    ids = pieces.take(order.ravel()).join([order.shape[1]] * len(questions))
    lengths = np.stack([questions.lengths + 2, parts.lengths + 1], -1)
    segments = np.tile(np.array([0, 1], np.int32), len(questions))
    return ids, Ragged(np.repeat(segments, lengths.ravel()), ids.offsets)


def _with_positions(features: Features, gold: np.ndarray) -> Features:
    """gold: [rows, 2], each answer's first and last token in the context; -1: none."""
    tokens = gold[features.row_index] - features.first_token[:, None]
    is_inside = (tokens[:, 0] >= 0) & (tokens[:, 1] < features.context_lengths)
    positions = np.where(
        is_inside[:, None], tokens + features.context_position[:, None], 0
    ).astype(np.int32)
    return features._replace(
        start_positions=positions[:, 0], end_positions=positions[:, 1]
    )


def _count(which: np.ndarray) -> int:
    return int(np.count_nonzero(which))
