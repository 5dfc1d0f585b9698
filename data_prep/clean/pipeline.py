"""Raw text -> clean shards, in phases that any executor can run.

  clean   each part of the input is parsed, cleaned, filtered     (part)
  group   records of one group are joined to one document         (groups)
  near    near duplicates of earlier documents are dropped        (duplicates)
  exact   duplicates of earlier lines, or documents, are dropped  (duplicates)
  shard   what is left is written and measured for the report     (part)

A phase reads the files of the one before and writes its own. Every finished piece of
work is recorded, so that a resumed run repeats only those that were in progress.
"""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

from common import files, manifest, output_folder
from common.errors import UserError
from common.output_folder import Output
from common.progress import Progress
from data_prep.clean import account, duplicates, exclusion, groups, report
from data_prep.clean.part import clean_part, hash_of, write_shard
from data_prep.clean.repeats import KeyFiles
from data_prep.clean.settings import CleanSettings
from data_prep.clean.work import Work
from data_prep.raw import inputs, reader
from data_prep.stages.executors import Executor

# Smaller in tests.
MEBIBYTE = 1 << 20


def _begin(
    settings: CleanSettings, patterns: Sequence[str], output: Output
) -> tuple[Work, list[str]]:
    """Checks all that can be checked early; returns the work, and the input files."""
    paths = inputs.find(patterns)
    reader.check(paths, settings)
    if settings.sort_field and not settings.group_field:
        raise UserError("--sort_field orders the records of a group: add --group_field")
    excluded = exclusion.read_texts(settings.exclude)
    _check_first_records(settings, paths)
    config = {
        **dataclasses.asdict(settings),
        "recipe_hash": settings.make_recipe().hash(),
        "versions": settings.versions(),
        "input": [[path, files.size(path)] for path in paths],
        "excluded_hash": hashlib.sha256("\n".join(excluded).encode()).hexdigest(),
    }
    log = output_folder.begin(output, "clean_corpus", config)
    work = Work(settings, log)
    if not log.is_complete and log.start("excluded", [work.excluded_texts]) is None:
        files.write_text(work.excluded_texts, "\n".join(excluded))
        log.finish("excluded", {})
    return work, paths


def _check_first_records(settings: CleanSettings, paths: Sequence[str]) -> None:
    """Reads up to the first text, which shows wrong fields and formats."""
    for records in reader.read(paths, settings, slice_bytes=MEBIBYTE):
        if any(records.documents):
            return
    raise UserError(f"no text in {', '.join(paths[:5])}: every line is empty")


def run(
    settings: CleanSettings,
    patterns: Sequence[str],
    output: Output,
    executor: Executor,
) -> None:
    """Makes the output a complete folder of clean shards.

    Raises:
      UserError: unusable input or settings, an output folder in other use, or an
        empty result.
    """
    work, paths = _begin(settings, patterns, output)
    versions = list(map(inputs.version, paths))
    if work.log.is_complete:
        _check_same_input(work, paths, versions)
    else:
        values = _run_phases(work, executor, paths)
        report.write(work, values)
        work.log.complete({**values, "input_versions": versions})
    report.log_summary(work)


def _check_same_input(work: Work, paths: Sequence[str], versions: list[str]) -> None:
    """Refuses files that were written again since, unless their text is the same."""
    made_of = manifest.read(work.log.output_dir, "clean_corpus")
    if made_of.get("input_versions", versions) == versions:
        return
    cutter, bundles = _cut(work.settings, paths)
    hashes = []
    with Progress("comparing the input", sum(map(files.size, paths)), "B") as progress:
        for part in itertools.chain.from_iterable(map(cutter.parts, bundles)):
            hashes.append(hash_of(part))
            progress.update_to(cutter.position())
    if account.hash_of_all(hashes) != made_of["input_hash"]:
        changed = zip(paths, versions, made_of["input_versions"], strict=True)
        names = [path for path, now, then in changed if now != then]
        raise UserError(
            f"{', '.join(names[:5])} changed since --output_dir={work.log.output_dir} "
            "was made of it. Choose another folder, or pass --overwrite to replace it"
        )


def _cut(
    settings: CleanSettings, paths: Sequence[str]
) -> tuple[reader.Reader, list[reader.Bundle]]:
    """A reader that cuts the files into parts, and the files in bundles."""
    slice_bytes = settings.shard_mib * MEBIBYTE
    bundles = reader.bundles(paths, slice_bytes)
    return reader.Reader(settings, slice_bytes), bundles


def _run_phases(work: Work, executor: Executor, paths: Sequence[str]) -> dict[str, Any]:
    """Returns the values of the manifest."""
    settings = work.settings
    clean = functools.partial(clean_part, work)
    parts = tuple(executor.map_parts(*_cut(settings, paths), clean))
    _check_not_empty(work, parts)
    phases = ["clean"]
    if settings.group_field:
        _group(work, executor, parts)
        phases.append("group")
    if settings.near_duplicates:
        _deduplicate(work, executor, parts, phases[-1], "near")
        phases.append("near")
    if settings.deduplicate != "none":
        _deduplicate(work, executor, parts, phases[-1], "exact")
        phases.append("exact")
    write = functools.partial(write_shard, work, phases[-1])
    executor.map("writing shards", write, parts)
    return account.summarize(work, parts, phases)


def _check_not_empty(work: Work, parts: Sequence[str]) -> None:
    cleaned = work.records("clean", parts)
    if not any(record["documents"] for record in cleaned):
        dropped = {reason for record in cleaned for reason in record["dropped"]}
        raise UserError(
            f"nothing is left of {sum(r['read']['records'] for r in cleaned)} records; "
            f"reasons: {', '.join(sorted(dropped)) or 'blank'}. Is --text_field right, "
            "and does the recipe suit this text?"
        )


def _group(work: Work, executor: Executor, parts: tuple[str, ...]) -> None:
    documents = [record["documents"] for record in work.records("clean", parts)]
    keys = KeyFiles(work, "group", parts, tuple(documents))
    blocks = range(len(keys.blocks))
    executor.map("sorting groups", keys.collect, blocks)
    executor.find_repeats("finding groups", keys)
    executor.map("moving records", functools.partial(groups.move, keys), blocks)
    executor.map("joining groups", functools.partial(groups.join, keys), blocks)


def _deduplicate(
    work: Work, executor: Executor, parts: tuple[str, ...], source: str, phase: str
) -> None:
    write = functools.partial(duplicates.write_keys, work, source, phase)
    counts = executor.map(f"hashing ({phase})", write, parts)
    keys = KeyFiles(work, phase, parts, tuple(counts))
    blocks = range(len(keys.blocks))
    executor.map(f"sorting hashes ({phase})", keys.collect, blocks)
    executor.find_repeats(f"finding {phase} duplicates", keys)
    drop = functools.partial(duplicates.drop, keys, source)
    executor.map(f"dropping {phase} duplicates", drop, blocks)
