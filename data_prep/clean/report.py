"""report.html: what clean_corpus did to a corpus, for people to read."""

import os
from collections.abc import Sequence
from typing import Any

from absl import logging

from common import files, html_page, manifest
from common.html_page import Heading, Table
from data_prep.clean.account import LENGTH_BINS
from data_prep.clean.work import Work

REPORT_FILE = "report.html"
_MOST_SOURCES = 50


def write(work: Work, values: dict[str, Any]) -> None:
    """Writes the report of what will be in the manifest."""
    path = work.output_path(REPORT_FILE)
    work.log.start("report", [path])
    files.write_text(path, _page(values))
    work.log.finish("report", {})


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
        os.path.join(work.log.output_dir, REPORT_FILE),
    )


def _page(values: dict[str, Any]) -> str:
    read, written = values["read"], values["written"]
    both = [
        ("read", read["lines"], read["records"], read["text_bytes"]),
        ("written", written["lines"], written["documents"], written["text_bytes"]),
    ]
    rules = [
        (rule, counts["lines"], counts["bytes_in"], counts["bytes_out"])
        for rule, counts in values["rules"].items()
    ]
    samples = [
        (why, text) for why, texts in values["samples"].items() for text in texts
    ]
    parts = [
        Heading("Read and written"),
        Table(("", "lines", "documents", "bytes of text"), both),
        Heading("Changed by rule"),
        Table(("rule", "lines", "bytes before", "bytes after"), rules),
        Heading("Dropped"),
        _dropped(values["dropped"]),
        Heading("Samples of dropped lines"),
        Table(("reason", "line as it was read"), samples),
        Heading("Lengths of lines"),
        _lengths(values["lengths"]),
        Heading("Characters"),
        _with_bars(("class", "count"), values["characters"]),
        Heading("Most repeated lines, before deduplication"),
        Table(("times", "text"), values["most_frequent"]),
        Heading("Sources"),
        _sources(values["sources"]),
    ]
    title = f"Clean corpus, recipe {values['recipe']} ({values['recipe_hash']})"
    return html_page.page(title, parts)


def _dropped(dropped: dict[str, dict[str, int]]) -> Table:
    counted = _falling(dropped, "lines")
    lines = html_page.bars([counts["lines"] for _, counts in counted])
    rows = [
        (reason, shown, counts["bytes"])
        for (reason, counts), shown in zip(counted, lines, strict=True)
    ]
    return Table(("reason", "lines", "bytes"), rows)


def _lengths(counts: Sequence[int]) -> Table:
    lows = (0, *LENGTH_BINS)
    names = [f"{a} to {b - 1}" for a, b in zip(lows, LENGTH_BINS, strict=False)]
    names.append(f"{LENGTH_BINS[-1]} and more")
    return _with_bars(("characters", "lines"), dict(zip(names, counts, strict=True)))


def _with_bars(columns: tuple[str, str], counts: dict[str, int]) -> Table:
    bars = html_page.bars(list(counts.values()))
    return Table(columns, list(zip(counts, bars, strict=True)))


def _sources(sources: dict[str, dict[str, int]]) -> Table:
    counted = _falling(sources, "records")[:_MOST_SOURCES]
    kept = html_page.bars([counts.get("kept_lines", 0) for _, counts in counted])
    rows = [
        (path, counts["records"], shown)
        for (path, counts), shown in zip(counted, kept, strict=True)
    ]
    return Table(("file", "records", "lines kept"), rows)


def _falling(counts: dict[str, dict[str, int]], key: str) -> list[tuple[str, dict]]:
    return sorted(counts.items(), key=lambda item: (-item[1][key], item[0]))
