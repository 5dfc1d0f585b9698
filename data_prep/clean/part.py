"""What a worker does to one part of the raw text: parse, clean, filter, count."""

import contextlib
import dataclasses
import functools
import gc
import hashlib
import heapq
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from common import files
from common.cli import UserError
from data_prep.clean import exclusion, repeats, sentences
from data_prep.clean import groups as grouping
from data_prep.clean.settings import CleanSettings, Work
from data_prep.raw import reader
from data_prep.raw.reader import Part
from data_prep.raw.records import Records
from data_prep.raw.slices import Slice
from data_prep.rules import cleaner
from data_prep.stages import shards
from data_prep.stages.shards import Document

REJECTS = "rejects"
_SAMPLES = 5
_SAMPLE_CHARACTERS = 200
# Records cleaned at a time: enough to spread the cost of a rule over many lines.
_BATCH_RECORDS = 4_000


@functools.lru_cache(1)
def _cleaner(settings: CleanSettings) -> cleaner.Cleaner:
    return cleaner.Cleaner(settings.make_recipe())


@functools.lru_cache(1)
def _excluder(path: str, min_characters: int) -> exclusion.Excluder:
    return exclusion.Excluder(files.read_text(path).splitlines(), min_characters)


def num_bytes(text: str) -> int:
    """In UTF-8; half a surrogate pair, which JSON can hold, counts three."""
    return len(text.encode("utf-8", "surrogatepass"))


@dataclasses.dataclass
class Report:
    """What happened to the lines of one part.

    Attributes:
      read: records, blank_records, decode_errors, lines, bytes (of text).
      rules: (rule, "lines" | "bytes_in" | "bytes_out") of the lines it changed.
      split: lines and bytes that cutting into sentences added.
      dropped: (reason, "lines" | "bytes"), as they were after the rules.
      kept: lines and bytes.
      sources: the lines read and kept of each file.
      samples: per reason, raw lines; those of smallest hash are a fair draw.
      rejects: rows for the rejects' file.
    """

    read: Counter = dataclasses.field(default_factory=Counter)
    rules: Counter = dataclasses.field(default_factory=Counter)
    split: Counter = dataclasses.field(default_factory=Counter)
    dropped: Counter = dataclasses.field(default_factory=Counter)
    kept: Counter = dataclasses.field(default_factory=Counter)
    sources: dict[str, Counter] = dataclasses.field(default_factory=dict)
    samples: dict[str, list[tuple[int, str]]] = dataclasses.field(default_factory=dict)
    rejects: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def drop(self, reason: str, raw: str, clean: str) -> None:
        self.dropped[reason, "lines"] += 1
        self.dropped[reason, "bytes"] += num_bytes(clean)
        sample = (repeats.hash64(raw), raw[:_SAMPLE_CHARACTERS])
        drawn = [*self.samples.get(reason, []), sample]
        self.samples[reason] = heapq.nsmallest(_SAMPLES, drawn)

    def as_json(self) -> dict[str, Any]:
        return {
            "read": dict(self.read),
            "rules": nested(self.rules),
            "split": dict(self.split),
            "dropped": nested(self.dropped),
            "kept": dict(self.kept),
            "sources": {path: dict(counts) for path, counts in self.sources.items()},
            "samples": self.samples,
        }


def nested(counts: Counter) -> dict[str, dict[str, int]]:
    """{(a, b): n} -> {a: {b: n}}."""
    found: dict[str, dict[str, int]] = {}
    for (outer, inner), count in counts.items():
        found.setdefault(outer, {})[inner] = count
    return found


def clean_part(work: Work, part: Part) -> str:
    """Cleans one part, unless an earlier run did; returns its name.

    Raises:
      UserError: bad input, or input that changed since an earlier run cleaned it.
    """
    digest = hashlib.blake2b(digest_size=16)
    for piece in part.slices:
        digest.update(piece.data)
    data_hash = digest.hexdigest()
    if done := work.log.done(f"clean-{part.name}"):
        if done["data_hash"] != data_hash:
            raise UserError(
                f"{part.slices[0].path} was changed after an earlier run cleaned a "
                "part of it: begin again with --overwrite"
            )
        return part.name
    report = Report()
    with _without_garbage_collection():
        cleaned = [clean_slice(work, piece, report) for piece in part.slices]
    joined = [list(itertools.chain(*columns)) for columns in zip(*cleaned, strict=True)]
    paths = _write_part(work, part.name, *joined)
    if report.rejects:
        paths.append(write_rejects(work, f"{part.name}.jsonl", report.rejects))
    payload = report.as_json()
    payload["documents"] = len(joined[0])
    payload["data_hash"] = data_hash
    payload["entries"] = [work.entry(path) for path in paths]
    work.log.finish(f"clean-{part.name}", payload)
    return part.name


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Records hold no cycles; looking for some takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _write_part(
    work: Work, name: str, documents: list[Document], groups: list, sort_values: list
) -> list[str]:
    paths = [work.path("clean", name + ".txt")]
    files.write_text(paths[0], shards.to_text(documents))
    if work.settings.group_field:
        keys = [grouping.group_key(group, name, i) for i, group in enumerate(groups)]
        paths.append(work.path("group", name + ".keys"))
        repeats.write_keys(paths[-1], np.array(keys, np.uint64))
    if work.settings.sort_field:
        paths.append(work.path("group", name + ".sort"))
        files.write_text(
            paths[-1], json.dumps(list(map(grouping.sort_key, sort_values)))
        )
    return paths


def write_rejects(work: Work, name: str, rejects: Sequence[dict[str, Any]]) -> str:
    """Writes JSON rows with a reason and a text to the folder of rejects."""
    files.makedirs(work.output_path(REJECTS))
    path = work.output_path(REJECTS, name)
    rows = (json.dumps(row, ensure_ascii=False) + "\n" for row in rejects)
    with files.atomic_writer(path) as handle:
        handle.write("".join(rows).encode("utf-8", "backslashreplace"))
    return path


# Documents, their groups, and the values they are sorted by.
_Columns = tuple[list[Document], list[Any], list[Any]]


def clean_slice(work: Work, piece: Slice, report: Report) -> _Columns:
    """The documents of which something is left, their groups and sort values."""
    records = reader.parse(piece, work.settings)
    report.read.update(records.counts)
    documents: list[Document] = []
    for begin in range(0, len(records.documents), _BATCH_RECORDS):
        batch = slice(begin, begin + _BATCH_RECORDS)
        documents += _clean_batch(work, piece.path, records, batch, report)
    source = report.sources.setdefault(piece.path, Counter())
    source["records"] += len(documents)
    source["kept_lines"] += sum(map(len, documents))
    columns = (documents, records.groups, records.sort_values)
    kept = tuple(list(itertools.compress(column, documents)) for column in columns)
    return kept if records.sort_values else _joined(*kept)


def _joined(documents: list[Document], groups: list[Any], _: list) -> _Columns:
    """Joins neighbours of one group here, which spares the later phase most work."""
    if not groups:
        return documents, [], []
    joined: list[Document] = []
    joined_groups: list[Any] = []
    for document, group in zip(documents, groups, strict=True):
        # As texts, as the later phase compares them: True is not 1.
        if joined and group is not None and str(group) == str(joined_groups[-1]):
            joined[-1] += document
        else:
            joined.append(document)
            joined_groups.append(group)
    return joined, joined_groups, []


def _clean_batch(
    work: Work, path: str, records: Records, batch: slice, report: Report
) -> list[Document]:
    """The clean lines of each record; an empty list where none is left."""
    documents = records.documents[batch]
    raw = list(itertools.chain.from_iterable(documents))
    texts, line_of = _clean_lines(work, raw, report)
    reasons = _cleaner(work.settings).drop_reasons(texts)
    excluded = _excluded(work, raw)
    record_of = np.repeat(np.arange(len(documents)), [len(d) for d in documents])
    for index, reason in enumerate(reasons):
        found = excluded.get(line_of[index]) if excluded else None
        if reason is None and found is None:
            continue
        line = raw[line_of[index]]
        reason = "excluded" if found else reason
        report.drop(reason, line, texts[index])
        texts[index] = ""
        if found or work.settings.write_rejects:
            number = records.numbers[batch][record_of[line_of[index]]]
            row = {"file": path, "line": number, "reason": reason, "text": line}
            report.rejects.append({**row, "found": found} if found else row)
    report.kept["lines"] += len(texts) - texts.count("")
    report.kept["bytes"] += num_bytes("".join(texts))
    sizes = np.bincount(record_of[line_of], minlength=len(documents))
    ends = np.cumsum(sizes).tolist()
    return [
        [text for text in texts[begin:end] if text]
        for begin, end in zip([0, *ends], ends, strict=False)
    ]


def _clean_lines(
    work: Work, raw: Sequence[str], report: Report
) -> tuple[list[str], Sequence[int]]:
    """(clean lines or their sentences, the raw line that each is of)."""
    report.read["lines"] += len(raw)
    report.read["text_bytes"] += num_bytes("".join(raw))
    clean = _cleaner(work.settings).clean_lines(raw, report.rules)
    if not work.settings.split_sentences:
        return clean, range(len(raw))
    # A line of which nothing is left stays one, to be dropped with its reason.
    pieces = [texts or [""] for texts in sentences.split(clean)]
    flat = list(itertools.chain.from_iterable(pieces))
    report.split["lines"] += len(flat) - len(clean)
    report.split["bytes"] += num_bytes("".join(flat)) - num_bytes("".join(clean))
    return flat, np.repeat(np.arange(len(raw)), list(map(len, pieces))).tolist()


def _excluded(work: Work, raw: Sequence[str]) -> dict[int, str]:
    """{index of a raw line: the evaluation text in it}."""
    settings = work.settings
    if not settings.exclude:
        return {}
    excluder = _excluder(work.excluded_texts, settings.exclude_min_characters)
    return excluder.find(raw)
