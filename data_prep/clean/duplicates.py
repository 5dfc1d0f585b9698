"""Duplicates dropped: of lines, of documents, and of near-equal documents.

The functions that take a `Work` or `KeyFiles` run on workers, each for one part: they
write files, record that, and do nothing if an earlier run did the same.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

import numpy as np

from common import files
from common.errors import UserError
from data_prep.clean import repeats
from data_prep.clean.repeats import KeyFiles
from data_prep.clean.work import REJECTS, Work
from data_prep.stages import shards

# The reason for which each phase drops.
REASONS = {"near": "near_duplicate", "exact": "duplicate"}

_NUM_PERMUTATIONS = 128
_SHINGLE = 5
_SHINGLES = 1 << 16  # of a document, in memory at a time
_SPACE = re.compile(r"\s+")
_SAMPLE_CHARACTERS = 200


def text_keys(texts: Iterable[str]) -> np.ndarray:
    """A key for each text, equal for equal ones, uint64 [texts]."""
    return np.frombuffer(b"".join(map(repeats.digest, texts)), "<u8")


def bands(threshold: float) -> tuple[int, int]:
    """(bands, rows) of MinHash for which documents as similar as this often collide.

    Two documents of Jaccard similarity s share one of b bands of r rows with
    probability 1 - (1 - s^r)^b, which is steepest near s = (1 / b)^(1 / r).
    """
    choices = [(_NUM_PERMUTATIONS // rows, rows) for rows in range(1, 33)]
    return min(choices, key=lambda c: abs((1 / c[0]) ** (1 / c[1]) - threshold))


def near_keys(
    documents: Sequence[str], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """(keys, their documents), both [documents x bands]: similar ones share a key.

    MinHash over the character 5-grams of a document without its spaces.
    """
    try:
        import rensa
    except ImportError as error:
        raise UserError(
            "--near_duplicates needs rensa: pip install 'korean-electra-tf[near]'"
        ) from error
    num_bands, rows = bands(threshold)
    keys = np.empty((len(documents), num_bands), np.uint64)
    for index, document in enumerate(documents):
        text = _SPACE.sub("", document)
        minhash = rensa.RMinHash(num_perm=_NUM_PERMUTATIONS, seed=0)
        last = max(len(text) - _SHINGLE, 0)
        for begin in range(0, last + 1, _SHINGLES):
            places = range(begin, min(begin + _SHINGLES, last + 1))
            minhash.update(list({text[i : i + _SHINGLE] for i in places}))
        signature = np.array(minhash.digest(), "<u4")[: num_bands * rows]
        for band, values in enumerate(signature.reshape(num_bands, rows)):
            data = bytes([band]) + values.tobytes()
            digest = hashlib.blake2b(data, digest_size=8).digest()
            keys[index, band] = int.from_bytes(digest, "little")
    return keys.ravel(), np.repeat(np.arange(len(documents)), num_bands)


def _by_line(work: Work, phase: str) -> bool:
    """Whether a phase compares lines, not documents."""
    return phase == "exact" and work.settings.deduplicate == "line"


def _units(work: Work, phase: str, text: str) -> list[str]:
    return shards.lines(text) if _by_line(work, phase) else shards.documents(text)


def write_keys(work: Work, source: str, phase: str, part: str) -> int:
    """Writes the keys of what `source` left of a part; returns how many there are."""
    name, path = f"{phase}-keys-{part}", work.path(phase, part + ".keys")
    if done := work.log.start(name, [path]):
        return done["num_keys"]
    units, items = _units(work, phase, work.text(source, part)), None
    if phase == "near":
        keys, items = near_keys(units, work.settings.near_duplicates)
    else:
        keys = text_keys(units)
    repeats.write_keys(path, keys, items)
    work.log.finish(name, {"num_keys": len(keys)})
    return len(keys)


def drop(keys: KeyFiles, source: str, block: int) -> None:
    """Writes the parts of a block without their duplicates."""
    names = {part: keys.parts[part] for part in keys.blocks[block]}
    if not all(keys.work.log.done(f"{keys.phase}-{name}") for name in names.values()):
        for part, rows in keys.read_repeats("part", block).items():
            items = np.unique(rows["item"]).tolist()
            _drop_from(keys.work, source, keys.phase, names[part], items)


def _drop_from(
    work: Work, source: str, phase: str, part: str, items: list[int]
) -> None:
    reason, path = REASONS[phase], work.path(phase, part + ".txt")
    rejects = work.output_path(REJECTS, f"{part}.{reason}.jsonl")
    if work.log.start(f"{phase}-{part}", [path, rejects]):
        return
    text = work.text(source, part)
    units = _units(work, phase, text)
    without = shards.without_documents
    if _by_line(work, phase):
        without = shards.without_lines
    dropped = [line for item in items for line in units[item].split("\n")]
    files.write_text(path, without(text, items))
    if dropped and work.settings.write_rejects:
        rows = [{"part": part, "reason": reason, "text": line} for line in dropped]
        work.write_rejects(rejects, rows)
    counts = {"lines": len(dropped), "bytes": sum(map(shards.num_bytes, dropped))}
    work.log.finish(f"{phase}-{part}", counts)


def dropped_counts(
    work: Work, parts: Sequence[str], phases: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Per reason, the lines and bytes that the deduplicating phases dropped."""
    counts = {}
    for phase in (phase for phase in REASONS if phase in phases):
        records = work.records(phase, parts)
        totals = {k: sum(record[k] for record in records) for k in ("lines", "bytes")}
        counts[REASONS[phase]] = totals
    return counts


def most_frequent(
    work: Work, parts: Sequence[str], phases: Sequence[str]
) -> list[tuple[int, str]]:
    """(times seen, text) of the lines, or documents, that repeat most often."""
    if "exact" not in phases:
        return []
    counts = (record["num_keys"] for record in work.records("exact-keys", parts))
    top = KeyFiles(work, "exact", tuple(parts), tuple(counts)).most_frequent()
    source = phases[phases.index("exact") - 1]
    units = {
        part: _units(work, "exact", work.text(source, parts[part]))
        for part in sorted({part for _, part, _ in top})
    }
    return [(n, units[part][item][:_SAMPLE_CHARACTERS]) for n, part, item in top]
