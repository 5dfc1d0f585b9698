"""The records of all parts, summed up: what clean_corpus says it did."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from common import files
from data_prep.clean import phases, repeats
from data_prep.clean.part import REJECTS
from data_prep.clean.settings import Work
from data_prep.stages import manifest, shards

_SAMPLES = 5
_SAMPLE_CHARACTERS = 200


def summarize(work: Work, parts: Sequence[str], done: list[str]) -> dict[str, Any]:
    """The manifest's values: settings, counts, samples, and the shards' entries.

    Args:
      parts: names, in order.
      done: the phases that ran, in order.

    Raises:
      RuntimeError: the counts do not account for every line and byte that was read.
    """
    recipe = work.settings.make_recipe()
    cleaned = phases.records(work, "clean", parts)
    written = phases.records(work, "shard", parts)
    entries = [record["entries"][0] for record in written]
    totals = {
        name: _merged([record[name] for record in cleaned])
        for name in ("read", "rules", "split", "dropped", "sources")
    }
    totals["dropped"] |= _duplicates(work, parts, done)
    totals["written"] = {
        "lines": sum(entry["lines"] for entry in entries),
        "documents": sum(entry["documents"] for entry in entries),
        "text_bytes": sum(record["text_bytes"] for record in written),
    }
    _check_account(**totals)
    return {
        "recipe": recipe.name,
        "recipe_hash": recipe.hash(),
        "recipe_rules": [[name, dict(options)] for name, options in recipe.rules],
        "special_tokens": list(recipe.special_tokens),
        **totals,
        "samples": _samples([record["samples"] for record in cleaned]),
        "most_frequent": _most_frequent(work, parts, done),
        "lengths": np.sum([record["lengths"] for record in written], axis=0).tolist(),
        "characters": _merged([record["characters"] for record in written]),
        "reports": [
            manifest.file_entry(work.log.output_dir, f"{REJECTS}/{name}")
            for name in files.listdir(work.output_path(REJECTS))
        ],
        "files": [entry for entry in entries if entry["lines"]],
    }


def _duplicates(
    work: Work, parts: Sequence[str], done: list[str]
) -> dict[str, dict[str, int]]:
    """Per reason, lines and bytes that the deduplicating phases dropped."""
    found = {}
    for phase in phases.DUPLICATES:
        if phase in done:
            records = phases.records(work, phase, parts)
            counts = {k: sum(r[k] for r in records) for k in ("lines", "bytes")}
            found[phases.DUPLICATES[phase]] = counts
    return found


def _check_account(
    read: dict[str, int],
    rules: dict[str, dict[str, int]],
    split: dict[str, int],
    dropped: dict[str, dict[str, int]],
    written: dict[str, int],
    **_: Any,
) -> None:
    """Every line and every byte read was written, removed by a rule, or dropped."""
    dropped_lines = sum(counts["lines"] for counts in dropped.values())
    dropped_bytes = sum(counts["bytes"] for counts in dropped.values())
    ruled = sum(counts["bytes_out"] - counts["bytes_in"] for counts in rules.values())
    lines = read["lines"] + split.get("lines", 0) - dropped_lines
    text_bytes = read["text_bytes"] + ruled + split.get("bytes", 0) - dropped_bytes
    if (lines, text_bytes) != (written["lines"], written["text_bytes"]):
        raise RuntimeError(
            f"lines and bytes do not add up: {lines}, {text_bytes} should be written, "
            f"{written} are. This is a bug: please report it with the recipe's name"
        )


def _merged(counts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sums, by key, of dicts of counts or of dicts of them."""
    total: dict[str, Any] = {}
    for more in counts:
        for key, value in more.items():
            if isinstance(value, dict):
                total[key] = _merged([total.get(key, {}), value])
            else:
                total[key] = total.get(key, 0) + value
    return total


def _samples(samples: Sequence[dict[str, list]]) -> dict[str, list[str]]:
    """Per reason, the texts of smallest hash of all parts."""
    drawn: dict[str, list] = {}
    for more in samples:
        for reason, pairs in more.items():
            drawn[reason] = sorted([*drawn.get(reason, []), *map(tuple, pairs)])
            drawn[reason] = drawn[reason][:_SAMPLES]
    return {reason: [text for _, text in pairs] for reason, pairs in drawn.items()}


def _most_frequent(
    work: Work, parts: Sequence[str], done: list[str]
) -> list[tuple[int, str]]:
    """(times seen, text) of the lines, or documents, that repeat most often."""
    if "exact" not in done:
        return []
    count = sum(done["num_keys"] for done in phases.records(work, "exact-keys", parts))
    keys = phases.KeyFiles(work, "exact", tuple(parts), repeats.num_partitions(count))
    found = []
    for partition in range(keys.num_partitions):
        found += work.log.done(keys.piece_name(partition))["most_frequent"]
    top = sorted(found, key=lambda row: (-row[0], row[1:]))[: repeats.MOST_FREQUENT]
    source = done[done.index("exact") - 1]
    texts: dict[tuple[int, int], str] = {}
    for part in sorted({part for _, part, _ in top}):
        text = phases.text_of(work, source, parts[part])
        lines = phases.by_line(work, "exact")
        units = shards.lines(text) if lines else shards.documents(text)
        for item in (item for _, found_in, item in top if found_in == part):
            texts[part, item] = units[item][:_SAMPLE_CHARACTERS]
    return [(times, texts[part, item]) for times, part, item in top]
