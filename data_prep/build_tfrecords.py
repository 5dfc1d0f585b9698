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

from absl import flags, logging

from data_prep import (
    cli,
    corpus,
    files,
    manifest,
    packing,
    parallel,
    records,
    resume,
    shards,
    tfrecord,
    tokenizer_source,
    vocab,
)
from data_prep.cli import UserError
from data_prep.progress import Progress
from data_prep.ragged import Ragged
from data_prep.records import EVAL, SAMPLES_FILE, TRAIN
from data_prep.tokenization import LineTokenizer

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

_NUM_SAMPLES = 200
_BATCH_CHARACTERS = 1_000_000


@dataclasses.dataclass(frozen=True)
class Job:
    """What a worker needs for one clean shard."""

    input_path: str
    index: int
    num_shards: int
    tokenizer_file: str
    max_seq_length: int
    eval_fraction: float
    seed: int
    compression: str
    work_log: resume.WorkLog

    @property
    def name(self) -> str:
        return f"shard-{self.index:05d}"


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
        self._waiting: list[packing.Segments] = []
        self._name = f"{split}/{records.file_name(job.index, job.num_shards)}"
        path = os.path.join(job.work_log.output_dir, self._name)
        opened = tfrecord.open_writer(path, job.compression)
        self._writer = stack.enter_context(opened)
        counted = ("documents", "examples", "tokens", "unk_tokens", "truncated_tokens")
        self._counts = Counter(dict.fromkeys(counted, 0))

    def add(self, lengths: list[int], first_line: int) -> None:
        """Packs a document of a batch; `lengths` are tokens per line."""
        self._counts["documents"] += 1
        self._waiting += self._packer.pack(lengths, first_line)

    def write(self, lines: Ragged) -> None:
        """Writes what was packed of a batch, whose lines these are."""
        examples = packing.build(self._waiting, lines, self._max_seq_length)
        self._waiting = []
        self._writer.write(records.encode(examples, self._max_seq_length))
        self._counts["examples"] += len(examples.input_ids)
        self._counts["tokens"] += len(examples.input_ids.values)
        self._counts["unk_tokens"] += examples.unk_tokens
        self._counts["truncated_tokens"] += examples.truncated_tokens

    def entry(self) -> dict[str, Any]:
        """The manifest's line, once the file is closed."""
        return self._writer.entry(self._name, **self._counts)


@functools.cache
def _tokenizer(tokenizer_file: str) -> LineTokenizer:
    return LineTokenizer(files.read_text(tokenizer_file))


def _batches(path: str) -> Iterator[list[corpus.Document]]:
    batch: list[corpus.Document] = []
    characters = 0
    for document in shards.read_shard(path):
        batch.append(document)
        characters += sum(map(len, document))
        if characters > _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def build_shard(job: Job) -> dict[str, Any]:
    """Builds one shard's two files; returns manifest entries and sample lines."""
    if (done := job.work_log.done(job.name)) is not None:
        return done
    tokenize = _tokenizer(job.tokenizer_file)
    samples: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        splits = {name: _SplitWriter(job, name, stack) for name in (TRAIN, EVAL)}
        for documents in _batches(job.input_path):
            lines = tokenize([line for document in documents for line in document])
            lengths = lines.lengths.tolist()
            start = 0
            for document in documents:
                split = EVAL if is_held_out(document, job.eval_fraction) else TRAIN
                splits[split].add(lengths[start : start + len(document)], start)
                sampled = split == EVAL or not job.eval_fraction
                if sampled and len(samples) < _NUM_SAMPLES:
                    samples += _samples(document, lines, start)
                start += len(document)
            for writer in splits.values():
                writer.write(lines)
    entries = [writer.entry() for writer in splits.values()]
    made = {"entries": entries, "samples": samples[:_NUM_SAMPLES]}
    job.work_log.finish(job.name, made)
    return made


def _samples(
    document: corpus.Document, lines: Ragged, start: int
) -> list[dict[str, Any]]:
    """A document's lines with their ids; `start` is the number of its first."""
    return [
        {"text": text, "ids": lines.row(number).tolist()}
        for number, text in enumerate(document, start)
    ]


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
        samples = (samples + made["samples"])[:_NUM_SAMPLES]
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
        results = parallel.ordered_map(build_shard, jobs, workers)
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
