"""Shows what was measured of vocabularies: a table of text, and one HTML page."""

import dataclasses
import html
import string
from typing import Any


@dataclasses.dataclass(frozen=True)
class Metric:
    """A line of the table.

    path: keys into a vocabulary's figures.
    format: of the figure; shares are shown in percent.
    """

    title: str
    path: tuple[str, ...]
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

_PAGE = string.Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Vocabularies</title><style>
body { font: 15px sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin-bottom: 2em; }
td, th { padding: .2em .8em; text-align: right; border-bottom: 1px solid #ddd; }
td:first-child, th:first-child { text-align: left; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(22em, 1fr));
  gap: 1em 2em; }
.chart h3 { font-size: 1em; margin: .5em 0; }
.row { display: grid; grid-template-columns: 8em 1fr 6em; gap: .5em; }
.bar { background: #4a7ebb; height: 1em; margin-top: .15em; }
.token { background: #eef3fa; border: 1px solid #c9d7ea; padding: 0 .25em;
  margin: .1em; display: inline-block; }
.unk { background: #f6c9c5; }
</style></head><body>
<h1>Vocabularies</h1><p>$input</p>
$table
<h2>Charts</h2><div class="charts">$charts</div>
<h2>What becomes [UNK]</h2>$causes
<h2>Side by side</h2>$samples
</body></html>
""")


def _figure(figures: dict[str, Any], metric: Metric) -> float | None:
    value: Any = figures
    for key in metric.path:
        value = value.get(key) if value is not None else None
    return value


def _text(figures: dict[str, Any], metric: Metric) -> str:
    value = _figure(figures, metric)
    return "-" if value is None else metric.format.format(value)


def rows(vocabs: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Header, then a line per metric that some vocabulary has."""
    measured = [
        metric
        for metric in METRICS
        if any(_figure(figures, metric) is not None for figures in vocabs.values())
    ]
    lines = [[m.title, *(_text(f, m) for f in vocabs.values())] for m in measured]
    return [["", *vocabs], *lines]


def text_table(vocabs: dict[str, dict[str, Any]]) -> str:
    """The table for a terminal."""
    lines = rows(vocabs)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True)]
        )
        for line in lines
    )


def page(report: dict[str, Any]) -> str:
    """One HTML file without scripts or further files.

    Args:
      report: "input", a sentence; "vocabs", figures by name; "samples" of
        `vocab_report.side_by_side`.
    """
    vocabs = report["vocabs"]
    header, *lines = rows(vocabs)
    return _PAGE.substitute(
        input=html.escape(report["input"]),
        table=_table([header, *lines]),
        charts="".join(_chart(metric, vocabs) for metric in METRICS),
        causes="".join(_causes(name, figures) for name, figures in vocabs.items()),
        samples="".join(map(_sample, report["samples"])),
    )


def _table(lines: list[list[str]]) -> str:
    def row(cells: list[str], tag: str) -> str:
        inner = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
        return f"<tr>{inner}</tr>\n"

    body = "".join(row(cells, "td") for cells in lines[1:])
    return f"<table>{row(lines[0], 'th')}{body}</table>"


def _chart(metric: Metric, vocabs: dict[str, dict[str, Any]]) -> str:
    """Bars from zero to the largest figure."""
    values = {name: _figure(figures, metric) for name, figures in vocabs.items()}
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        return ""
    largest = max(known.values()) or 1
    bars = "".join(
        f'<div class="row"><span>{html.escape(name)}</span>'
        f'<div><div class="bar" style="width:{100 * value / largest:.1f}%"></div></div>'
        f"<span>{metric.format.format(value)}</span></div>"
        for name, value in known.items()
    )
    return f'<div class="chart"><h3>{html.escape(metric.title)}</h3>{bars}</div>'


def _causes(name: str, figures: dict[str, Any]) -> str:
    causes = figures["unk_causes"].items()
    shown = ", ".join(f"{cause} ({count})" for cause, count in causes) or "nothing"
    return f"<p><b>{html.escape(name)}</b>: {html.escape(shown)}</p>"


def _sample(sample: dict[str, Any]) -> str:
    def tokens(name: str, pieces: list[str]) -> str:
        spans = "".join(
            f'<span class="token{" unk" if piece == "[UNK]" else ""}">'
            f"{html.escape(piece)}</span>"
            for piece in pieces
        )
        return f"<p>{html.escape(name)} ({len(pieces)}): {spans}</p>"

    cut = "".join(tokens(name, pieces) for name, pieces in sample["tokens"].items())
    return f"<h3>{html.escape(sample['text'])}</h3>{cut}"
