"""Clean text + vocabulary -> TFRecords for training and, apart, for evaluation.

Each clean shard becomes one training file and one evaluation file, in the original's
format; which documents are held out depends on their text alone. The same input, seed
and settings give the same bytes with any number of workers.

  python -m data_prep.build_tfrecords --input_dir=W/clean --vocab_dir=W/vocab \\
      --output_dir=W/tfrecords --max_seq_length=128
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

from absl import flags, logging

from data_prep import (
    cli,
    files,
    manifest,
    parallel,
    resume,
    shard_records,
    tokenizer_source,
    vocab,
)
from data_prep.cli import UserError
from data_prep.progress import Progress
from data_prep.records import EVAL, SAMPLES_FILE, TRAIN
from data_prep.shard_records import NUM_SAMPLES, Job

_INPUT_DIR = flags.DEFINE_string("input_dir", None, "Folder made by clean_corpus.")
_VOCAB_DIR = flags.DEFINE_string(
    "vocab_dir",
    None,
    "Folder made by train_vocab, or of a published WordPiece tokenizer (Hugging Face), "
    "or a vocab.txt.",
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir",
    None,
    "Folder to write: new or empty, or of the same command, which then goes on.",
)
_MAX_SEQ_LENGTH = flags.DEFINE_integer(
    "max_seq_length",
    128,
    "Tokens in an example, [CLS] and [SEP] included.",
    lower_bound=8,
)
_EVAL_FRACTION = flags.DEFINE_float(
    "eval_fraction",
    0.005,
    "Share of documents, by a hash of their text, kept out of training for evaluation.",
    lower_bound=0.0,
    upper_bound=0.5,
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the packer's draws.")
_COMPRESSION = flags.DEFINE_enum(
    "compression", "none", ["none", "gzip"], "Of the TFRecord files."
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Processes.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
flags.mark_flags_as_required(["input_dir", "vocab_dir", "output_dir"])


def build_tfrecords() -> None:
    clean = manifest.read(_INPUT_DIR.value, "clean_corpus")
    source = tokenizer_source.load(_VOCAB_DIR.value)
    config = {
        "max_seq_length": _MAX_SEQ_LENGTH.value,
        "eval_fraction": _EVAL_FRACTION.value,
        "seed": _SEED.value,
        "compression": "" if _COMPRESSION.value == "none" else "GZIP",
        "vocab_sha256": source.vocab_sha256,
        "tokenizer_sha256": source.tokenizer_sha256,
        "clean_sha256": manifest.content_hash(clean),
    }
    work_log = resume.begin(
        _OUTPUT_DIR.value,
        "build_tfrecords",
        config,
        _OVERWRITE.value,
        (_INPUT_DIR.value, _VOCAB_DIR.value),
    )
    if work_log.is_complete:
        return
    entries = _write_tokenizer(source, work_log.output_dir)
    samples: list[dict[str, Any]] = []
    for made in _build_shards(clean, work_log):
        entries += made["entries"]
        samples = (samples + made["samples"])[:NUM_SAMPLES]
    counts = _totals(entries)
    _check_splits(counts)
    files.write_text(
        os.path.join(work_log.output_dir, SAMPLES_FILE),
        "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples),
    )
    entries.append(manifest.file_entry(work_log.output_dir, SAMPLES_FILE))
    settings = ("max_seq_length", "eval_fraction", "seed", "compression")
    work_log.complete(
        {
            **{name: config[name] for name in settings},
            "vocab_size": len(source.tokens),
            "vocab_sha256": source.vocab_sha256,
            "recipe": clean["recipe"],
            "recipe_hash": clean["recipe_hash"],
            "counts": counts,
            "files": entries,
        }
    )
    for split, split_counts in counts.items():
        positions = split_counts["examples"] * _MAX_SEQ_LENGTH.value
        share = 100 * split_counts["tokens"] / max(positions, 1)
        logging.info("%s: %s, %.1f %% non-pad", split, split_counts, share)


def _write_tokenizer(
    source: tokenizer_source.Source, output_dir: str
) -> list[dict[str, Any]]:
    """The records' own copy: what the trainer and the export use."""
    contents = {
        vocab.VOCAB_FILE: source.vocab_text,
        vocab.TOKENIZER_FILE: source.tokenizer_json,
    }
    for name, text in contents.items():
        files.write_text(os.path.join(output_dir, name), text)
    return [manifest.file_entry(output_dir, name) for name in contents]


def _build_shards(
    clean: dict[str, Any], work_log: resume.WorkLog
) -> Iterator[dict[str, Any]]:
    for split in (TRAIN, EVAL):
        files.makedirs(os.path.join(work_log.output_dir, split))
    shard_files = clean["files"]
    jobs = [
        Job(
            input_path=os.path.join(_INPUT_DIR.value, entry["name"]),
            index=index,
            num_shards=len(shard_files),
            tokenizer_file=os.path.join(work_log.output_dir, vocab.TOKENIZER_FILE),
            max_seq_length=_MAX_SEQ_LENGTH.value,
            eval_fraction=_EVAL_FRACTION.value,
            seed=_SEED.value,
            compression=work_log.config["compression"],
            work_log=work_log,
        )
        for index, entry in enumerate(shard_files)
    ]
    total = sum(entry["bytes"] for entry in shard_files)
    workers = min(_NUM_WORKERS.value, len(jobs))
    with Progress("building records", total, "B") as progress:
        results = parallel.ordered_map(shard_records.build_shard, jobs, workers)
        for made, entry in zip(results, shard_files, strict=True):
            yield made
            progress.update(entry["bytes"])


def _totals(entries: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    totals: dict[str, Counter] = {TRAIN: Counter(), EVAL: Counter()}
    for entry in entries:
        split = entry["name"].split("/")[0]
        if split in totals:
            named = {"name", "bytes", "sha256"}
            totals[split].update({k: v for k, v in entry.items() if k not in named})
    return {split: dict(counter) for split, counter in totals.items()}


def _check_splits(counts: dict[str, dict[str, int]]) -> None:
    documents = sum(split["documents"] for split in counts.values())
    train, held_out = (counts[split]["examples"] for split in (TRAIN, EVAL))
    if not train or (_EVAL_FRACTION.value and not held_out):
        raise UserError(
            f"--eval_fraction={_EVAL_FRACTION.value} of {documents} documents leaves "
            f"{train} training and {held_out} evaluation examples: both are needed. "
            "Choose another share, or 0 to train without evaluation (and --overwrite)"
        )


if __name__ == "__main__":
    cli.run(build_tfrecords)
