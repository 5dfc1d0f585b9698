"""The measurements of vocabularies as a table of text and as an HTML page."""

from typing import Any, NamedTuple

from common import html_page
from common.html_page import Heading, Number, Pieces, Table


class Metric(NamedTuple):
    """A line of the table; shares are shown in percent."""

    title: str
    path: tuple[str, ...]  # keys into a vocabulary's figures
    format: str = "{:.2%}"


METRICS = (
    Metric("tokens in the vocabulary", ("vocab_size",), "{:,.0f}"),
    Metric("[UNK] by token", ("unk_tokens",), "{:.4%}"),
    Metric("[UNK] by word", ("unk_words",), "{:.4%}"),
    Metric("tokens per word (fertility)", ("tokens_per_word",), "{:.3f}"),
    Metric("tokens per syllable", ("tokens_per_syllable",), "{:.3f}"),
    Metric("words kept whole (cut at punctuation)", ("whole_words",)),
    Metric("special tokens kept whole", ("special_tokens_whole",)),
    Metric("the 2,350 syllables of KS X 1001", ("ks_x_1001_syllables",)),
    Metric("all 11,172 syllables", ("all_syllables",)),
    Metric("sequence length, median", ("sequence_length", "50"), "{:.0f}"),
    Metric("sequence length, 90 %", ("sequence_length", "90"), "{:.0f}"),
    Metric("sequence length, 95 %", ("sequence_length", "95"), "{:.0f}"),
    Metric("sequence length, 99 %", ("sequence_length", "99"), "{:.0f}"),
    Metric("sequence length, longest", ("sequence_length", "100"), "{:.0f}"),
    Metric("characters per second", ("characters_per_second",), "{:,.0f}"),
    Metric("answers that begin a token", ("span_boundaries", "start")),
    Metric("answers that end a token", ("span_boundaries", "end")),
    Metric("answers on token boundaries", ("span_boundaries", "both")),
    Metric("probe accuracy", ("probe_accuracy",)),
)


def _figure(figures: dict[str, Any], metric: Metric) -> float | None:
    value: Any = figures
    for key in metric.path:
        value = value.get(key) if value is not None else None
    return value


def _text(figures: dict[str, Any], metric: Metric) -> str:
    value = _figure(figures, metric)
    return "-" if value is None else metric.format.format(value)


def _measured(vocabs: dict[str, dict[str, Any]]) -> list[Metric]:
    """The metrics that some vocabulary has."""
    return [
        metric
        for metric in METRICS
        if any(_figure(figures, metric) is not None for figures in vocabs.values())
    ]


def text_table(vocabs: dict[str, dict[str, Any]]) -> str:
    """The table for a terminal."""
    rows = [
        [m.title, *(_text(f, m) for f in vocabs.values())] for m in _measured(vocabs)
    ]
    lines = [["", *vocabs], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True)]
        )
        for line in lines
    )


def page(report: dict[str, Any]) -> str:
    """The HTML file.

    Args:
      report: "input", a sentence; "vocabs", figures by name; "samples" of
        `measures.side_by_side`.
    """
    vocabs = report["vocabs"]
    rows = [(metric.title, *_cells(metric, vocabs)) for metric in _measured(vocabs)]
    parts = [report["input"], Table(("", *vocabs), rows), Heading("What becomes [UNK]")]
    for name, figures in vocabs.items():
        causes = figures["unk_causes"].items()
        shown = [f"{cause} ({count})" for cause, count in causes]
        parts.append(Pieces(f"{name}:", shown or ["nothing"]))
    parts.append(Heading("Side by side"))
    for sample in report["samples"]:
        parts.append(Heading(sample["text"], 3))
        for name, tokens in sample["tokens"].items():
            parts.append(Pieces(f"{name} ({len(tokens)}):", tokens, marked="[UNK]"))
    return html_page.page("Vocabularies", parts)


def _cells(metric: Metric, vocabs: dict[str, dict[str, Any]]) -> list[Number]:
    """A metric's figures with bars from zero to the largest."""
    values = [_figure(figures, metric) for figures in vocabs.values()]
    known = iter(html_page.bars([v for v in values if v is not None], metric.format))
    return [Number("-") if value is None else next(known) for value in values]
