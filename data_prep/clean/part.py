"""What a worker does to one part: parse, clean, filter, count; write its shard."""

import contextlib
import functools
import gc
import hashlib
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from common import files, manifest
from common.errors import UserError
from data_prep.clean import exclusion, groups, repeats
from data_prep.clean.account import LENGTH_BINS, PartAccount
from data_prep.clean.settings import CleanSettings
from data_prep.clean.work import REJECTS, Work
from data_prep.raw import reader
from data_prep.raw.reader import Part
from data_prep.raw.records import Records
from data_prep.raw.slices import Slice
from data_prep.rules import characters, cleaner
from data_prep.stages import shards
from data_prep.stages.shards import Document, num_bytes

# Records cleaned at a time, so that a rule's fixed cost is spread over many lines.
_BATCH_RECORDS = 4_000


@functools.lru_cache(1)
def _cleaner(settings: CleanSettings) -> cleaner.Cleaner:
    return cleaner.Cleaner(settings.make_recipe())


@functools.lru_cache(1)
def _excluder(path: str, sha256: str, min_characters: int) -> exclusion.Excluder:
    return exclusion.Excluder(files.read_text(path).splitlines(), min_characters)


@functools.cache
def _kiwi() -> Any:
    """kiwipiepy; KoELECTRA's kss pins emoji 1.2 and cannot be installed with this."""
    try:
        from kiwipiepy import Kiwi
    except ImportError as error:
        raise UserError(
            "--split_sentences needs kiwipiepy: "
            "pip install 'korean-electra-tf[morphemes]'"
        ) from error
    return Kiwi(num_workers=1)  # the workers are processes


def hash_of(part: Part) -> str:
    """A hash of the text that a part is made of, as it was read."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in part.slices:
        digest.update(piece.data)
    return digest.hexdigest()


def clean_part(work: Work, part: Part) -> str:
    """Cleans one part, unless an earlier run did; returns its name.

    Raises:
      UserError: bad input, or input that changed since an earlier run cleaned it.
    """
    data_hash = hash_of(part)
    rejects = work.output_path(REJECTS, f"{part.name}.jsonl")
    paths = _part_paths(work, part.name)
    if done := work.log.start(f"clean-{part.name}", [*paths.values(), rejects]):
        if done["data_hash"] != data_hash:
            raise UserError(
                f"{part.slices[0].path} has changed since an interrupted run cleaned a "
                f"part of it: remove {os.path.dirname(work.log.output)} to begin anew"
            )
        return part.name
    account = PartAccount()
    with _without_garbage_collection():
        cleaned = [clean_slice(work, piece, account) for piece in part.slices]
    joined = [list(itertools.chain(*columns)) for columns in zip(*cleaned, strict=True)]
    _write_part(paths, part.name, *joined)
    if account.rejects:
        work.write_rejects(rejects, account.rejects)
    payload = {"documents": len(joined[0]), "data_hash": data_hash}
    work.log.finish(f"clean-{part.name}", {**payload, **account.as_json()})
    return part.name


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Records contain no cycles, and looking for them takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _part_paths(work: Work, name: str) -> dict[str, str]:
    paths = {"text": work.path("clean", name + ".txt")}
    if work.settings.group_field:
        paths["groups"] = work.path("group", name + ".keys")
    if work.settings.sort_field:
        paths["sort"] = work.path("group", name + ".sort")
    return paths


def _write_part(
    paths: dict[str, str],
    name: str,
    documents: list[Document],
    of_group: list,
    sort_values: list,
) -> None:
    files.write_text(paths["text"], shards.to_text(documents))
    if "groups" in paths:
        keys = [groups.group_key(group, name, i) for i, group in enumerate(of_group)]
        repeats.write_keys(paths["groups"], np.array(keys, np.uint64))
    if "sort" in paths:
        keys = list(map(groups.sort_key, sort_values))
        files.write_text(paths["sort"], json.dumps(keys))


# Documents, their groups, and the values they are sorted by.
_Columns = tuple[list[Document], list[Any], list[Any]]


def clean_slice(work: Work, piece: Slice, account: PartAccount) -> _Columns:
    """The documents that are not empty, their groups and sort values."""
    records = reader.parse(piece, work.settings)
    account.read.update(records.counts)
    documents: list[Document] = []
    for begin in range(0, len(records.documents), _BATCH_RECORDS):
        batch = slice(begin, begin + _BATCH_RECORDS)
        documents += _clean_batch(work, piece.path, records, batch, account)
    source = account.sources.setdefault(piece.path, Counter())
    source["records"] += len(documents)
    source["kept_lines"] += sum(map(len, documents))
    columns = (documents, records.groups, records.sort_values)
    kept = tuple(list(itertools.compress(column, documents)) for column in columns)
    return kept if records.sort_values else _joined(*kept)


def _joined(documents: list[Document], of_group: list[Any], _: list) -> _Columns:
    """Joins neighbours of one group, which leaves little to the later phase."""
    if not of_group:
        return documents, [], []
    joined: list[Document] = []
    joined_groups: list[Any] = []
    for document, group in zip(documents, of_group, strict=True):
        # Compared as texts, as in the later phase: True is not 1.
        if joined and group is not None and str(group) == str(joined_groups[-1]):
            joined[-1] += document
        else:
            joined.append(document)
            joined_groups.append(group)
    return joined, joined_groups, []


def _clean_batch(
    work: Work, path: str, records: Records, batch: slice, account: PartAccount
) -> list[Document]:
    """The clean lines of each record; an empty list if none is left."""
    documents = records.documents[batch]
    raw = list(itertools.chain.from_iterable(documents))
    texts, line_of = _clean_lines(work, raw, account)
    reasons = _cleaner(work.settings).drop_reasons(texts)
    excluded = _excluded(work, raw)
    record_of = np.repeat(np.arange(len(documents)), [len(d) for d in documents])
    for index, reason in enumerate(reasons):
        match = excluded.get(line_of[index]) if excluded else None
        if reason is None and match is None:
            continue
        line = raw[line_of[index]]
        reason = "excluded" if match else reason
        account.drop(reason, line, texts[index])
        texts[index] = ""
        if match or work.settings.write_rejects:
            number = records.numbers[batch][record_of[line_of[index]]]
            row = {"file": path, "line": number, "reason": reason, "text": line}
            account.rejects.append({**row, "found": match} if match else row)
    sizes = np.bincount(record_of[line_of], minlength=len(documents))
    ends = np.cumsum(sizes).tolist()
    return [
        [text for text in texts[begin:end] if text]
        for begin, end in zip([0, *ends], ends, strict=False)
    ]


def _clean_lines(
    work: Work, raw: Sequence[str], account: PartAccount
) -> tuple[list[str], Sequence[int]]:
    """(clean lines or their sentences, the index of the raw line of each)."""
    account.read["lines"] += len(raw)
    account.read["text_bytes"] += num_bytes("".join(raw))
    clean = _cleaner(work.settings).clean_lines(raw, account.rules)
    if not work.settings.split_sentences:
        return clean, range(len(raw))
    split = _kiwi().split_into_sents(clean)
    pieces = [[s.text.strip() for s in found if s.text.strip()] for found in split]
    # An empty line stays one line, to be dropped with its reason.
    pieces = [texts or [""] for texts in pieces]
    flat = list(itertools.chain.from_iterable(pieces))
    account.split["lines"] += len(flat) - len(clean)
    account.split["bytes"] += num_bytes("".join(flat)) - num_bytes("".join(clean))
    return flat, np.repeat(np.arange(len(raw)), list(map(len, pieces))).tolist()


def _excluded(work: Work, raw: Sequence[str]) -> dict[int, str]:
    """{index of a raw line: the evaluation text that it contains}."""
    if not work.settings.exclude:
        return {}
    sha256 = work.log.config["excluded_hash"]  # another run may use the same path
    shortest = work.settings.exclude_min_characters
    return _excluder(work.excluded_texts, sha256, shortest).find(raw)


def write_shard(work: Work, source: str, part: str) -> None:
    """Writes what `source` left of a part, if anything, as a shard, and measures it."""
    name = f"corpus-{part}.txt"
    if work.log.start(f"shard-{part}", [work.output_path(name)]):
        return
    text = work.text(source, part)
    lines = shards.lines(text)
    entries = []
    if lines:
        files.write_text(work.output_path(name), text)
        counts = {"lines": len(lines), "documents": len(shards.documents(text))}
        entries.append(manifest.file_entry(work.log.output, name, **counts))
    lengths = np.histogram(list(map(len, lines)), [0, *LENGTH_BINS, np.inf])[0]
    payload = {
        "entries": entries,
        "text_bytes": num_bytes("".join(lines)),
        "lengths": lengths.tolist(),
        "characters": characters.character_classes("".join(lines)),
    }
    work.log.finish(f"shard-{part}", payload)
