"""Logits of windows -> the likeliest answers to each question, as text."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from electra_tf.finetune.kinds.qa_windows import Windows
from electra_tf.finetune.kinds.rows import Row


class Prediction(NamedTuple):
    """A span of the context; `context[start:end]` is its text."""

    text: str
    start: int  # characters
    end: int
    logit: float  # of its first token as a start + of its last one as an end
    probability: float  # among the predictions for the question


_NOTHING = Prediction("", 0, 0, 0.0, 1.0)


class _Span(NamedTuple):
    """Tokens of a context, the last one included."""

    logit: float
    first: int
    last: int


def best(
    windows: Windows,
    rows: Sequence[Row],
    start_logits: Sequence[np.ndarray],
    end_logits: Sequence[np.ndarray],
    n_best_size: int = 20,
    max_answer_length: int = 30,
) -> list[list[Prediction]]:
    """Answers to the question of each row, the likeliest first.

    Considers all spans of the context's tokens, where google-research/bert combines
    only the likeliest starts and ends. A span counts only in the window that shows the
    most context around its first token. Of spans with the same text the likeliest is
    kept.

    Args:
      rows: those that the windows were built from.
      start_logits, end_logits: float32 [length] for each window, padded or not.
      n_best_size: maximum number of answers.
      max_answer_length: maximum tokens of an answer.

    Returns:
      At least one answer for each row; the empty text where it has no window.
    """
    is_best = _max_context(windows)
    spans: list[list[_Span]] = [[] for _ in rows]
    numbers = range(len(is_best))
    for window, starts, ends in zip(numbers, start_logits, end_logits, strict=True):
        row, first_token = windows.row_index[window], windows.first_token[window]
        position = windows.context_position[window]
        part = slice(position, position + len(is_best[window]))
        starts = np.where(is_best[window], starts[part], -np.inf)
        likeliest = _best_spans(starts, ends[part], n_best_size, max_answer_length)
        spans[row] += [
            _Span(x, first_token + i, first_token + j) for x, i, j in likeliest
        ]
    contexts = dict(zip(windows.row_index, windows.context_index, strict=True))
    return [
        _predictions(
            row.text, windows.token_spans.row(contexts[index]), own, n_best_size
        )
        if own
        else [_NOTHING]
        for index, (row, own) in enumerate(zip(rows, spans, strict=True))
    ]


def _max_context(windows: Windows) -> list[np.ndarray]:
    """bool [tokens of the context] for each window: no other shows more around them.

    What a window shows around a token is the lesser of the numbers of tokens to its
    left and right, plus a hundredth of the window's; the earlier window wins ties.
    """
    _, begins = np.unique(windows.row_index, return_index=True)
    lengths, result = windows.context_lengths, []
    for begin, end in itertools.pairwise([*begins, len(lengths)]):
        first = windows.first_token[begin:end]
        size_W1 = lengths[begin:end, None]
        left_WT = np.arange(first[-1] + size_W1[-1, 0]) - first[:, None]
        right_WT = size_W1 - 1 - left_WT
        around_WT = np.minimum(left_WT, right_WT)
        score_WT = np.where(around_WT >= 0, around_WT + 0.01 * size_W1, -np.inf)
        winner = np.argmax(score_WT, 0)
        for number, start in enumerate(first):
            result.append(winner[start : start + size_W1[number, 0]] == number)
    return result


def _best_spans(
    starts: np.ndarray, ends: np.ndarray, number: int, max_length: int
) -> list[_Span]:
    """The likeliest spans of one window, in no order.

    Args:
      starts, ends: logits [tokens]; -inf where no span may begin.
    """
    length = min(max_length, len(starts))
    ends = np.concatenate([ends, np.full(length - 1, -np.inf, ends.dtype)])
    # [tokens, length]: from each token to itself, to the next one, etc.
    sums = starts[:, None] + np.lib.stride_tricks.sliding_window_view(ends, length)
    sums = sums.ravel()
    number = min(number, sums.size)
    chosen = np.argpartition(sums, sums.size - number)[-number:]
    chosen = chosen[sums[chosen] > -np.inf]
    first, more = np.divmod(chosen, length)
    ends_of = np.stack([first, first + more], -1).tolist()
    return [
        _Span(logit, *tokens)
        for logit, tokens in zip(sums[chosen].tolist(), ends_of, strict=True)
    ]


def _predictions(
    context: str, token_spans: np.ndarray, spans: list[_Span], number: int
) -> list[Prediction]:
    """Different texts, the likeliest first; ties go to the first, then the shortest.

    Args:
      token_spans: [tokens, 2].
    """
    kept: dict[str, tuple[int, int, float]] = {}
    for span in sorted(spans, key=lambda span: (-span.logit, span.first, span.last)):
        start, end = int(token_spans[span.first, 0]), int(token_spans[span.last, 1])
        kept.setdefault(context[start:end], (start, end, span.logit))
    likeliest = list(kept.items())[:number]
    logits = np.array([logit for _, (_, _, logit) in likeliest])
    weights = np.exp(logits - logits.max())
    probabilities = (weights / weights.sum()).tolist()
    return [
        Prediction(text, *place, probability)
        for (text, place), probability in zip(likeliest, probabilities, strict=True)
    ]
