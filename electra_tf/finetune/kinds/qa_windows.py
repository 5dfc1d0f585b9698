"""Questions and their contexts -> the windows of tokens that a network sees.

A window is `[CLS] question [SEP] part of the context [SEP]`, segments 0 and 1. A long
context gets several windows, `doc_stride` tokens apart, as in google-research/bert's
run_squad.py. F is the number of windows of all rows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from common.errors import UserError
from data_prep.records.ragged import Ragged
from electra_tf.finetune.kinds import encoding
from electra_tf.finetune.kinds.rows import Answer, Row

_NUM_SPECIAL = 3


class Windows(NamedTuple):
    """Windows, in the rows' order.

    Attributes:
      targets: the gold answer's first and last token in the window; both are 0, the
        position of [CLS], where the answer is not wholly inside.
    """

    input_ids: Ragged  # int32, not padded
    segment_ids: Ragged  # int32
    targets: np.ndarray  # int32 [F, 2]
    row_index: np.ndarray  # int32 [F], ascending
    context_position: np.ndarray  # int32 [F]: where in the window the context begins
    first_token: np.ndarray  # int32 [F]: the context's token that is there
    context_index: np.ndarray  # int32 [F]: a row of token_spans
    token_spans: Ragged  # int32 [tokens, 2]: each token's characters in a context

    @property
    def context_lengths(self) -> np.ndarray:
        """[F]: how many of the context's tokens are in the window."""
        return self.input_ids.lengths - self.context_position - 1


class _Encoded(NamedTuple):
    """The texts of rows, without repetitions."""

    texts: list[str]
    ids: Ragged  # int32
    spans: Ragged  # int32 [tokens, 2]
    index: np.ndarray  # int32 [rows]: the row's text


def build(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    max_seq_length: int,
    doc_stride: int,
    max_query_length: int,
    drop_unanswered: bool = False,
) -> tuple[Windows, dict[str, int]]:
    """Windows of rows, and counts of what cannot be used.

    A row's gold answer is its first that is in the context at its place. Its tokens are
    the fewest that cover it; the last may extend past it, over a particle.

    Args:
      tokenizer: one that neither cuts nor pads.
      doc_stride: tokens between the beginnings of two windows' parts of the context.
      max_query_length: in tokens; longer questions are cut.
      drop_unanswered: leave out rows without a gold answer. For training, where their
        windows would count as windows whose answer is elsewhere.

    Returns:
      The windows, and counts. Of rows: "questions", "long_questions" (cut),
      "empty_contexts" (no token, so no window), "dropped", "not_of_whole_tokens" (every
      answer begins or ends within a token, so no prediction is an exact match) and
      "in_no_window" (the gold answer is longer than windows overlap). Of answers:
      "answers", "answer_not_in_text" (not at its place) and "answer_without_token". And
      "windows".

    Raises:
      UserError: the lengths leave no room for the context.
    """
    if max_seq_length - max_query_length - _NUM_SPECIAL < 1:
        raise UserError(
            f"--max_seq_length={max_seq_length} leaves no room for the context beside "
            f"{_NUM_SPECIAL} special tokens and a question of up to "
            f"--max_query_length={max_query_length}: raise the first or lower the last"
        )
    questions = _encode([row.text_pair or "" for row in rows], tokenizer)
    contexts = _encode([row.text for row in rows], tokenizer)
    gold, counts = _find_answers(rows, contexts)
    answered = np.flatnonzero(gold[:, 0] >= 0)
    wanted = answered if drop_unanswered else np.arange(len(rows))
    cut = np.minimum(questions.ids.lengths, max_query_length)
    asked = questions.ids.truncate(cut).take(questions.index[wanted])
    windows = _windows(asked, contexts, wanted, gold, max_seq_length, doc_stride)
    num_inside = len(np.unique(windows.row_index[windows.targets[:, 0] > 0]))
    is_long = questions.ids.lengths > max_query_length
    is_empty = contexts.ids.lengths == 0
    return windows, counts | {
        "questions": len(rows),
        "long_questions": int(is_long[questions.index].sum()),
        "empty_contexts": int(is_empty[contexts.index].sum()),
        "dropped": len(rows) - len(wanted),
        "in_no_window": len(answered) - num_inside,
        "windows": len(windows.row_index),
    }


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
) -> tuple[np.ndarray, dict[str, int]]:
    """Each row's gold answer, [rows, 2]: its context's first and last token, or -1.

    And counts of answers that are not in their context, or have no token.
    """
    labels = [(i, answer) for i, row in enumerate(rows) for answer in row.label or ()]
    placed = [(i, answer) for i, answer in labels if answer.is_in(rows[i].text)]
    row = np.array([i for i, _ in placed], np.int64)
    places = np.array([_place(answer) for _, answer in placed], np.int64)
    context = contexts.index[row]
    # As if all contexts were one text: one search then finds the tokens of all answers.
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
    is_exact = (covered == places).all(-1)
    answered, firsts = np.unique(row, return_index=True)
    gold = np.full([len(rows), 2], -1)
    gold[answered] = (tokens - contexts.ids.offsets[context][:, None])[firsts]
    return gold, {
        "not_of_whole_tokens": len(answered) - len(np.unique(row[is_exact])),
        "answers": len(labels),
        "answer_not_in_text": len(labels) - len(placed),
        "answer_without_token": int((~has_token).sum()),
    }


def _place(answer: Answer) -> tuple[int, int]:
    """The answer's first character and its end, without spaces around it."""
    begin = answer.start + len(answer.text) - len(answer.text.lstrip())
    return begin, answer.start + len(answer.text.rstrip())


def _windows(
    asked: Ragged,
    contexts: _Encoded,
    rows: np.ndarray,
    gold: np.ndarray,
    max_seq_length: int,
    doc_stride: int,
) -> Windows:
    """Windows of the given rows.

    Args:
      asked: each row's question.
      gold: of `_find_answers`.
    """
    context = contexts.index[rows]
    num_tokens = contexts.ids.lengths[context]
    room = max_seq_length - asked.lengths - _NUM_SPECIAL
    stride = np.minimum(doc_stride, room)  # so that no token is left out
    # The last window is the first one that reaches the context's end.
    number = 1 + np.maximum(0, -(-(num_tokens - room) // stride))
    number = np.where(num_tokens > 0, number, 0)
    of_row = np.repeat(np.arange(len(rows)), number)
    nth = np.arange(len(of_row)) - np.repeat(np.cumsum(number) - number, number)
    first_token = nth * stride[of_row]
    lengths = np.minimum(num_tokens[of_row] - first_token, room[of_row])
    asked, context = asked.take(of_row), context[of_row]
    starts = contexts.ids.offsets[context] + first_token
    parts = [asked, contexts.ids.slices(starts, lengths)]
    input_ids, segment_ids, _ = encoding.framed(parts, max_seq_length)
    position = asked.lengths + 2
    tokens = gold[rows[of_row]] - first_token[:, None]
    is_inside = (tokens[:, 0] >= 0) & (tokens[:, 1] < lengths)
    targets = np.where(is_inside[:, None], tokens + position[:, None], 0)
    return Windows(
        input_ids=input_ids,
        segment_ids=segment_ids,
        targets=targets.astype(np.int32),
        row_index=rows[of_row].astype(np.int32),
        context_position=position.astype(np.int32),
        first_token=first_token.astype(np.int32),
        context_index=context,
        token_spans=contexts.spans,
    )
