"""The account of clean_corpus: what became of every line, per part and in all."""

import dataclasses
import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from data_prep.clean import duplicates
from data_prep.clean.repeats import hash64
from data_prep.clean.work import Work
from data_prep.stages import shards

# Upper bounds of the report's line lengths, in characters.
LENGTH_BINS = (5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000)
_SAMPLES = 5
_SAMPLE_CHARACTERS = 200


@dataclasses.dataclass
class PartAccount:
    """What happened to the lines of one part.

    Attributes:
      read: records, blank_records, decode_errors, lines, bytes (of text).
      rules: (rule, "lines" | "bytes_in" | "bytes_out") of the lines that it changed.
      split: lines and bytes added by splitting into sentences.
      dropped: (reason, "lines" | "bytes"), counted after the rules.
      sources: records and kept lines of each file.
      samples: per reason, (hash, raw line) of the smallest hashes: a fair sample.
      rejects: rows for the file of rejects.
    """

    read: Counter = dataclasses.field(default_factory=Counter)
    rules: Counter = dataclasses.field(default_factory=Counter)
    split: Counter = dataclasses.field(default_factory=Counter)
    dropped: Counter = dataclasses.field(default_factory=Counter)
    sources: dict[str, Counter] = dataclasses.field(default_factory=dict)
    samples: dict[str, list[tuple[int, str]]] = dataclasses.field(default_factory=dict)
    rejects: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def drop(self, reason: str, raw: str, clean: str) -> None:
        self.dropped[reason, "lines"] += 1
        self.dropped[reason, "bytes"] += shards.num_bytes(clean)
        sample = (hash64(raw), raw[:_SAMPLE_CHARACTERS])
        drawn = [*self.samples.get(reason, []), sample]
        self.samples[reason] = heapq.nsmallest(_SAMPLES, drawn)

    def as_json(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "rules": _nested(self.rules),
            "split": self.split,
            "dropped": _nested(self.dropped),
            "sources": self.sources,
            "samples": self.samples,
        }


def _nested(counts: Counter) -> dict[str, dict[str, int]]:
    """{(a, b): n} -> {a: {b: n}}."""
    result: dict[str, dict[str, int]] = {}
    for (outer, inner), count in counts.items():
        result.setdefault(outer, {})[inner] = count
    return result


def summarize(work: Work, parts: Sequence[str], phases: list[str]) -> dict[str, Any]:
    """The manifest's values: settings, counts, samples, and the shards' entries.

    Raises:
      RuntimeError: the counts do not account for every line and byte that was read.
    """
    recipe = work.settings.make_recipe()
    cleaned = work.records("clean", parts)
    written = work.records("shard", parts)
    entries = [entry for record in written for entry in record["entries"]]
    totals = {
        name: _merged([record[name] for record in cleaned])
        for name in ("read", "rules", "split", "dropped", "sources")
    }
    totals["dropped"] |= duplicates.dropped_counts(work, parts, phases)
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
        "input_hash": hash_of_all(record["data_hash"] for record in cleaned),
        "samples": _samples([record["samples"] for record in cleaned]),
        "most_frequent": duplicates.most_frequent(work, parts, phases),
        "lengths": np.sum([record["lengths"] for record in written], axis=0).tolist(),
        "characters": _merged([record["characters"] for record in written]),
        "files": entries,
    }


def hash_of_all(hashes: Iterable[str]) -> str:
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


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
            f"lines and bytes do not add up: {lines} lines and {text_bytes} bytes "
            f"should be written, not {written}. This is a bug: please report it with "
            "the recipe's name"
        )


def _merged(counts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Dicts of counts, or of dicts of counts, added up by key."""
    total: dict[str, Any] = {}
    for more in counts:
        for key, value in more.items():
            if isinstance(value, dict):
                total[key] = _merged([total.get(key, {}), value])
            else:
                total[key] = total.get(key, 0) + value
    return total


def _samples(samples: Sequence[dict[str, list]]) -> dict[str, list[str]]:
    """Per reason, the texts with the smallest hashes of all parts."""
    drawn: dict[str, list] = {}
    for more in samples:
        for reason, pairs in more.items():
            drawn[reason] = sorted([*drawn.get(reason, []), *map(tuple, pairs)])
            drawn[reason] = drawn[reason][:_SAMPLES]
    return {reason: [text for _, text in pairs] for reason, pairs in drawn.items()}
