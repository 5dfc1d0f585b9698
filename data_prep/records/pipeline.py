"""Clean shards -> TFRecords, on any executor."""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from absl import logging

from common import files, manifest, output_folder
from common.errors import UserError
from common.output_folder import Output, WorkLog
from data_prep.records.example import EVAL, SAMPLES_FILE, TRAIN
from data_prep.records.shard import NUM_SAMPLES, Job, RecordSettings, build_shard
from data_prep.stages.executors import Executor
from data_prep.vocab import tokenizer_source, vocabulary


def run(
    settings: RecordSettings,
    input_dir: str,
    vocab_dir: str,
    output: Output,
    executor: Executor,
) -> None:
    """Makes the output a complete folder of records.

    Raises:
      UserError: unusable folders, or too few documents for both splits.
    """
    clean = manifest.read(input_dir, "clean_corpus")
    source = tokenizer_source.load(vocab_dir)
    kept = {
        **dataclasses.asdict(settings),
        "compression": "" if settings.compression == "none" else "GZIP",
    }
    config = {
        **kept,
        "vocab_sha256": source.vocab_sha256,
        "tokenizer_sha256": source.tokenizer_sha256,
        "clean_sha256": manifest.content_hash(clean),
    }
    log = output_folder.begin(output, "build_tfrecords", config)
    if log.is_complete:
        return
    # The records' own copy, which the trainer and the export use.
    log.start("vocabulary", vocabulary.paths(log.output))
    entries = vocabulary.write_files(
        log.output, source.vocab_text, source.tokenizer_json
    )
    log.finish("vocabulary", {})
    made = _build_shards(settings, input_dir, clean["files"], log, executor)
    entries += [entry for shard in made for entry in shard["entries"]]
    entries.append(_write_samples([s for m in made for s in m["samples"]], log))
    counts = _totals(entries)
    _check_splits(counts, settings.eval_fraction)
    log.complete(
        {
            **kept,
            "vocab_size": len(source.tokens),
            "vocab_sha256": source.vocab_sha256,
            "recipe": clean["recipe"],
            "recipe_hash": clean["recipe_hash"],
            "corpus": _corpus(clean),
            "counts": counts,
            "files": entries,
        }
    )
    for split, split_counts in counts.items():
        positions = split_counts["examples"] * settings.max_seq_length
        share = 100 * split_counts["tokens"] / max(positions, 1)
        logging.info("%s: %s, %.1f %% non-pad", split, split_counts, share)


def _corpus(clean: dict[str, Any]) -> dict[str, Any]:
    """The description of the text for a run and for a model's card."""
    dropped = {reason: counts["lines"] for reason, counts in clean["dropped"].items()}
    # Folders of earlier versions do not list their rules.
    rules = clean.get("recipe_rules")
    counts = {name: clean[name] for name in ("read", "written")}
    return {"recipe_rules": rules, **counts, "dropped": dropped}


def _build_shards(
    settings: RecordSettings,
    input_dir: str,
    shards: Sequence[dict[str, Any]],
    log: WorkLog,
    executor: Executor,
) -> list[dict[str, Any]]:
    jobs = []
    for index, entry in enumerate(shards):
        path = os.path.join(input_dir, entry["name"])
        jobs.append(Job(settings, log, index, path, entry["sha256"], len(shards)))
    return executor.map("building records", build_shard, jobs)


def _write_samples(samples: list[dict[str, Any]], log: WorkLog) -> dict[str, Any]:
    path = os.path.join(log.output, SAMPLES_FILE)
    log.start("samples", [path])
    rows = (json.dumps(s, ensure_ascii=False) + "\n" for s in samples[:NUM_SAMPLES])
    files.write_text(path, "".join(rows))
    log.finish("samples", {})
    return manifest.file_entry(log.output, SAMPLES_FILE)


def _totals(entries: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    totals: dict[str, Counter] = {TRAIN: Counter(), EVAL: Counter()}
    for entry in entries:
        split = entry["name"].split("/")[0]
        if split in totals:
            named = {"name", "bytes", "sha256"}
            totals[split].update({k: v for k, v in entry.items() if k not in named})
    return {split: dict(counter) for split, counter in totals.items()}


def _check_splits(counts: dict[str, dict[str, int]], eval_fraction: float) -> None:
    documents = sum(split["documents"] for split in counts.values())
    train, held_out = (counts[split]["examples"] for split in (TRAIN, EVAL))
    if not train or (eval_fraction and not held_out):
        raise UserError(
            f"--eval_fraction={eval_fraction} of {documents} documents leaves "
            f"{train} training and {held_out} evaluation examples: both are needed. "
            "Pass another fraction, or 0 to train without evaluation, and --overwrite"
        )
