"""report.html: what clean_corpus did to a corpus, for people to read."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

from absl import logging

from common import files
from data_prep.clean.phases import LENGTH_BINS
from data_prep.clean.settings import Work
from data_prep.stages import manifest

REPORT_FILE = "report.html"
_MOST_SOURCES = 50
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; }
table { border-collapse: collapse; width: 100%; margin: .5em 0 2em; }
th, td { text-align: left; padding: .2em .7em; border-bottom: 1px solid #ddd; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.bar { width: 40%; } td.bar div { background: #4a7dbd; height: 1em; }
td.text { word-break: break-all; }
"""


def write(work: Work, values: dict[str, Any]) -> None:
    """Writes the report and adds its entry to the manifest's values."""
    files.write_text(work.output_path(REPORT_FILE), _page(values))
    entry = manifest.file_entry(work.log.output_dir, REPORT_FILE)
    values["reports"].append(entry)


def log_summary(work: Work) -> None:
    """Logs what a finished run did, from its manifest."""
    values = manifest.read(work.log.output_dir, "clean_corpus")
    read, written = values["read"], values["written"]
    for rule, counts in sorted(values["rules"].items()):
        logging.info("rule %s changed %d lines", rule, counts["lines"])
    for reason, counts in sorted(values["dropped"].items()):
        logging.info("dropped as %s: %d lines", reason, counts["lines"])
    logging.info(
        "%d lines of %d records read, %d lines in %d documents written; %s",
        read["lines"],
        read["records"],
        written["lines"],
        written["documents"],
        work.output_path(REPORT_FILE),
    )


def _page(values: dict[str, Any]) -> str:
    read, written = values["read"], values["written"]
    sections = [
        _section(
            "Read and written",
            ("", "lines", "documents", "text, bytes"),
            [
                ("read", read["lines"], read["records"], read["text_bytes"]),
                (
                    "written",
                    *(written[k] for k in ("lines", "documents", "text_bytes")),
                ),
            ],
        ),
        _section(
            "Changed by rule",
            ("rule", "lines", "bytes before", "after"),
            [
                (rule, counts["lines"], counts["bytes_in"], counts["bytes_out"])
                for rule, counts in values["rules"].items()
            ],
        ),
        _section(
            "Dropped",
            ("reason", "lines", "bytes", ""),
            [
                (reason, counts["lines"], counts["bytes"], _Bar(counts["lines"]))
                for reason, counts in _falling(values["dropped"], "lines")
            ],
        ),
        _section(
            "Samples of dropped lines",
            ("reason", "line as it was read"),
            [
                (reason, text)
                for reason, texts in values["samples"].items()
                for text in texts
            ],
        ),
        _section(
            "Lengths of lines",
            ("characters", "lines", ""),
            [
                (label, count, _Bar(count))
                for label, count in zip(
                    _length_labels(), values["lengths"], strict=True
                )
            ],
        ),
        _section(
            "Characters",
            ("class", "count", ""),
            [
                (name, count, _Bar(count))
                for name, count in values["characters"].items()
            ],
        ),
        _section(
            "Most repeated, before deduplication",
            ("times", "text"),
            [tuple(row) for row in values["most_frequent"]],
        ),
        _section(
            "Sources",
            ("file", "records", "lines kept", ""),
            [
                (
                    path,
                    counts["records"],
                    counts.get("kept_lines", 0),
                    _Bar(counts.get("kept_lines", 0)),
                )
                for path, counts in _falling(values["sources"], "records")[
                    :_MOST_SOURCES
                ]
            ],
        ),
    ]
    title = f"Clean corpus, recipe {values['recipe']} ({values['recipe_hash']})"
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f"<h1>{html.escape(title)}</h1>\n{''.join(sections)}</html>\n"
    )


class _Bar(int):
    """A number that is drawn, as long as its share of the column's largest."""


def _falling(counts: dict[str, dict[str, int]], key: str) -> list[tuple[str, dict]]:
    return sorted(counts.items(), key=lambda item: (-item[1][key], item[0]))


def _length_labels() -> Iterable[str]:
    lows = (0, *LENGTH_BINS)
    for low, high in zip(lows, LENGTH_BINS, strict=False):
        yield f"{low} to {high - 1}"
    yield f"{LENGTH_BINS[-1]} and more"


def _section(title: str, columns: Sequence[str], rows: Sequence[tuple]) -> str:
    if not rows:
        return f"<h2>{title}</h2>\n<p>none</p>\n"
    largest = max(
        [1, *(cell for row in rows for cell in row if isinstance(cell, _Bar))]
    )
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(_cell(cell, largest) for cell in row)}</tr>\n" for row in rows
    )
    return f"<h2>{title}</h2>\n<table><tr>{head}</tr>\n{body}</table>\n"


def _cell(value: Any, largest: int) -> str:
    if isinstance(value, _Bar):
        width = 100 * value / largest
        return f'<td class="bar"><div style="width:{width:.1f}%"></div></td>'
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    # Half a surrogate pair, which JSON can hold, cannot be written as UTF-8.
    text = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return f'<td class="text">{html.escape(text)}</td>'
