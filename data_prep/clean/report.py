"""report.html: what clean_corpus did to a corpus, for people to read."""

from collections.abc import Sequence
from typing import Any

from absl import logging

from common import files, html_page
from common.html_page import Heading, Table
from data_prep.clean.account import LENGTH_BINS
from data_prep.clean.work import Work
from data_prep.stages import manifest

REPORT_FILE = "report.html"
_MOST_SOURCES = 50


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
    sections = [
        ("Read and written", _read_and_written(values)),
        ("Changed by rule", _rules(values["rules"])),
        ("Dropped", _dropped(values["dropped"])),
        ("Samples of dropped lines", _samples(values["samples"])),
        ("Lengths of lines", _lengths(values["lengths"])),
        ("Characters", _characters(values["characters"])),
        (
            "Most repeated lines, before deduplication",
            _repeated(values["most_frequent"]),
        ),
        ("Sources", _sources(values["sources"])),
    ]
    title = f"Clean corpus, recipe {values['recipe']} ({values['recipe_hash']})"
    parts = [part for name, table in sections for part in (Heading(name), table)]
    return html_page.page(title, parts)


def _read_and_written(values: dict[str, Any]) -> Table:
    read, written = values["read"], values["written"]
    rows = [
        ("read", read["lines"], read["records"], read["text_bytes"]),
        ("written", *(written[k] for k in ("lines", "documents", "text_bytes"))),
    ]
    return Table(("", "lines", "documents", "bytes of text"), rows)


def _rules(rules: dict[str, dict[str, int]]) -> Table:
    rows = [
        (rule, counts["lines"], counts["bytes_in"], counts["bytes_out"])
        for rule, counts in rules.items()
    ]
    return Table(("rule", "lines", "bytes before", "bytes after"), rows)


def _dropped(dropped: dict[str, dict[str, int]]) -> Table:
    counted = _falling(dropped, "lines")
    lines = html_page.bars([counts["lines"] for _, counts in counted])
    rows = [
        (reason, shown, counts["bytes"])
        for (reason, counts), shown in zip(counted, lines, strict=True)
    ]
    return Table(("reason", "lines", "bytes"), rows)


def _samples(samples: dict[str, list[str]]) -> Table:
    rows = [(reason, text) for reason, texts in samples.items() for text in texts]
    return Table(("reason", "line as it was read"), rows)


def _lengths(counts: Sequence[int]) -> Table:
    lows = (0, *LENGTH_BINS)
    names = [f"{a} to {b - 1}" for a, b in zip(lows, LENGTH_BINS, strict=False)]
    names.append(f"{LENGTH_BINS[-1]} and more")
    rows = list(zip(names, html_page.bars(counts), strict=True))
    return Table(("characters", "lines"), rows)


def _characters(counts: dict[str, int]) -> Table:
    rows = list(zip(counts, html_page.bars(list(counts.values())), strict=True))
    return Table(("class", "count"), rows)


def _repeated(rows: Sequence[Sequence[Any]]) -> Table:
    return Table(("times", "text"), rows)


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
