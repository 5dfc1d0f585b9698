"""Clean text + vocabulary -> TFRecords for training and, apart, for evaluation.

Each clean shard becomes one training file and one evaluation file, in the original's
format; which documents are held out depends on their text alone. The same input, seed
and settings give the same bytes with any number of workers.

  python -m data_prep.build_tfrecords --input_dir=W/clean --vocab_dir=W/vocab \\
      --output_dir=W/tfrecords --max_seq_length=128
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from absl import flags, logging

from data_prep import (
    cli,
    corpus,
    files,
    manifest,
    packing,
    parallel,
    records,
    shards,
    vocab,
)
from data_prep.cli import UserError
from data_prep.progress import Progress
from data_prep.records import EVAL, SAMPLES_FILE, TRAIN

_INPUT_DIR = flags.DEFINE_string("input_dir", None, "Folder made by clean_corpus.")
_VOCAB_DIR = flags.DEFINE_string("vocab_dir", None, "Folder made by train_vocab.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to write, new or empty.")
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
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Processes.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
flags.mark_flags_as_required(["input_dir", "vocab_dir", "output_dir"])

_NUM_SAMPLES = 200
_BATCH_LINES = 4_000


@dataclasses.dataclass(frozen=True)
class Job:
    """What a worker needs for one clean shard."""

    input_path: str
    output_dir: str
    index: int
    num_shards: int
    vocab_file: str
    max_seq_length: int
    eval_fraction: float
    seed: int


def is_held_out(document: corpus.Document, eval_fraction: float) -> bool:
    """Whether a document is for evaluation: a function of its text alone."""
    digest = hashlib.blake2b(
        "\n".join(document).encode("utf-8"), digest_size=8
    ).digest()
    return int.from_bytes(digest, "little") < eval_fraction * 2**64


class _SplitWriter:
    """Packs documents of one split and writes its TFRecord file of one shard."""

    def __init__(self, job: Job, split: str, stack: contextlib.ExitStack):
        self._max_seq_length = job.max_seq_length
        rng = random.Random(f"{job.seed}/{split}/{job.index}")
        self._packer = packing.ExamplePacker(job.max_seq_length, rng)
        name = records.file_name(job.index, job.num_shards)
        self.name = f"{split}/{name}"
        self._path = os.path.join(job.output_dir, split, name)
        self._writer = stack.enter_context(tf.io.TFRecordWriter(self._path + ".tmp"))
        counted = ("documents", "examples", "tokens", "unk_tokens")
        self.counts = Counter(dict.fromkeys(counted, 0))

    def write(self, document: corpus.Document, line_ids: list[list[int]]) -> None:
        self.counts["documents"] += 1
        for ids in line_ids:
            self.counts["unk_tokens"] += ids.count(vocab.UNK_ID)
            self._write(self._packer.add_line(ids))
        self._write(self._packer.end_document())

    def _write(self, example: packing.Example | None) -> None:
        if example is None:
            return
        self._writer.write(records.encode(example, self._max_seq_length))
        self.counts["examples"] += 1
        self.counts["tokens"] += len(example.input_ids)

    def finish(self) -> None:
        """Gives the closed file its name."""
        self.counts["truncated_tokens"] = self._packer.truncated_tokens
        files.rename(self._path + ".tmp", self._path)


@functools.cache
def _tokenizer(vocab_file: str):
    return vocab.load_tokenizer(vocab_file)


def _tokenized(
    job: Job,
) -> Iterator[tuple[corpus.Document, list[list[int]]]]:
    """(document, token ids per line), tokenized many lines at a time."""
    encode = _tokenizer(job.vocab_file)._tokenizer.encode_batch_fast

    def flush(documents: list[corpus.Document]) -> Iterator:
        lines = [line for document in documents for line in document]
        encodings = iter(encode(lines, add_special_tokens=False))
        for document in documents:
            yield document, [next(encodings).ids for _ in document]

    pending: list[corpus.Document] = []
    num_lines = 0
    for document in shards.read_shard(job.input_path):
        pending.append(document)
        num_lines += len(document)
        if num_lines >= _BATCH_LINES:
            yield from flush(pending)
            pending, num_lines = [], 0
    yield from flush(pending)


def build_shard(job: Job) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Builds one shard's two files; returns manifest entries and sample lines."""
    samples: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        splits = {name: _SplitWriter(job, name, stack) for name in (TRAIN, EVAL)}
        for document, line_ids in _tokenized(job):
            split = EVAL if is_held_out(document, job.eval_fraction) else TRAIN
            splits[split].write(document, line_ids)
            sampled = split == EVAL or not job.eval_fraction
            if sampled and len(samples) < _NUM_SAMPLES:
                pairs = zip(document, line_ids, strict=True)
                samples += [{"text": text, "ids": ids} for text, ids in pairs]
    entries = []
    for writer in splits.values():
        writer.finish()
        entry = manifest.file_entry(job.output_dir, writer.name, **writer.counts)
        entries.append(entry)
    return entries, samples[:_NUM_SAMPLES]


def build_tfrecords() -> None:
    clean = manifest.read(_INPUT_DIR.value, "clean_corpus")
    vocabulary = manifest.read(_VOCAB_DIR.value, "train_vocab")
    vocab_file = os.path.join(_VOCAB_DIR.value, vocab.VOCAB_FILE)
    if vocab.fingerprint(vocab_file) != vocabulary["vocab_sha256"]:
        raise UserError(f"{vocab_file} was changed since train_vocab wrote it")
    output_dir = _OUTPUT_DIR.value
    inputs = (_INPUT_DIR.value, _VOCAB_DIR.value)
    manifest.prepare_output_dir(output_dir, _OVERWRITE.value, inputs)
    for split in (TRAIN, EVAL):
        files.makedirs(os.path.join(output_dir, split))
    jobs = [
        Job(
            input_path=os.path.join(_INPUT_DIR.value, entry["name"]),
            output_dir=output_dir,
            index=index,
            num_shards=len(clean["files"]),
            vocab_file=vocab_file,
            max_seq_length=_MAX_SEQ_LENGTH.value,
            eval_fraction=_EVAL_FRACTION.value,
            seed=_SEED.value,
        )
        for index, entry in enumerate(clean["files"])
    ]
    entries: list[dict[str, Any]] = []
    samples: list[dict[str, Any]] = []
    total = sum(entry["bytes"] for entry in clean["files"])
    workers = min(_NUM_WORKERS.value, len(jobs))
    with Progress("building records", total, "B") as progress:
        results = parallel.ordered_map(build_shard, jobs, workers)
        for (shard_entries, shard_samples), entry in zip(
            results, clean["files"], strict=True
        ):
            entries += shard_entries
            samples = (samples + shard_samples)[:_NUM_SAMPLES]
            progress.update(entry["bytes"])
    counts = _totals(entries)
    _check_splits(counts)
    files.write_text(
        os.path.join(output_dir, SAMPLES_FILE),
        "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples),
    )
    entries.append(manifest.file_entry(output_dir, SAMPLES_FILE))
    manifest.write(
        output_dir,
        "build_tfrecords",
        {
            "max_seq_length": _MAX_SEQ_LENGTH.value,
            "vocab_size": vocabulary["vocab_size"],
            "vocab_sha256": vocabulary["vocab_sha256"],
            "eval_fraction": _EVAL_FRACTION.value,
            "seed": _SEED.value,
            "recipe": clean["recipe"],
            "recipe_hash": clean["recipe_hash"],
            "counts": counts,
            "files": entries,
        },
    )
    for split, split_counts in counts.items():
        positions = split_counts["examples"] * _MAX_SEQ_LENGTH.value
        share = 100 * split_counts["tokens"] / max(positions, 1)
        logging.info("%s: %s, %.1f %% non-pad", split, split_counts, share)


def _totals(entries: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    totals: dict[str, Counter] = {TRAIN: Counter(), EVAL: Counter()}
    for entry in entries:
        counts = {
            k: v for k, v in entry.items() if k not in ("name", "bytes", "sha256")
        }
        totals[entry["name"].split("/")[0]].update(counts)
    return {split: dict(counter) for split, counter in totals.items()}


def _check_splits(counts: dict[str, dict[str, int]]) -> None:
    documents = sum(split["documents"] for split in counts.values())
    train, held_out = (counts[split]["examples"] for split in (TRAIN, EVAL))
    if not train or (_EVAL_FRACTION.value and not held_out):
        raise UserError(
            f"--eval_fraction={_EVAL_FRACTION.value} of {documents} documents leaves "
            f"{train} training and {held_out} evaluation examples: both are needed. "
            "Choose another share, or 0 to train without evaluation"
        )


if __name__ == "__main__":
    cli.run(build_tfrecords)
