"""What a worker of build_tfrecords does: one clean shard -> its TFRecord files."""

import contextlib
import dataclasses
import functools
import hashlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from common import files
from data_prep.records import example, packing, tfrecord
from data_prep.records.example import EVAL, TRAIN
from data_prep.records.ragged import Ragged
from data_prep.records.tokenizer import LineTokenizer
from data_prep.stages import resume, shards
from data_prep.stages.shards import Document

NUM_SAMPLES = 200
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
    pack_documents: bool
    seed: int
    compression: str
    work_log: resume.WorkLog

    @property
    def name(self) -> str:
        return f"shard-{self.index:05d}"


def is_held_out(document: Document, eval_fraction: float) -> bool:
    """Whether a document is for evaluation, which depends on its text alone."""
    digest = hashlib.blake2b(
        "\n".join(document).encode("utf-8"), digest_size=8
    ).digest()
    return int.from_bytes(digest, "little") < eval_fraction * 2**64


class _SplitWriter:
    """Packs the documents of one split of a shard and writes its TFRecord file."""

    def __init__(self, job: Job, split: str, stack: contextlib.ExitStack):
        self._max_seq_length = job.max_seq_length
        self._pack_documents = job.pack_documents
        rng = random.Random(f"{job.seed}/{split}/{job.index}")
        self._packer = packing.ExamplePacker(job.max_seq_length, rng)
        self._waiting: list[packing.Segments] = []
        self._name = f"{split}/{example.file_name(job.index, job.num_shards)}"
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
        """Writes the examples packed from a batch, given the batch's lines."""
        examples = packing.build(self._waiting, lines, self._max_seq_length)
        self._waiting = []
        if self._pack_documents:
            examples = packing.share_rows(examples, self._max_seq_length)
        self._writer.write(example.encode(examples, self._max_seq_length))
        self._counts["examples"] += len(examples.input_ids)
        self._counts["tokens"] += len(examples.input_ids.values)
        self._counts["unk_tokens"] += examples.unk_tokens
        self._counts["truncated_tokens"] += examples.truncated_tokens

    def entry(self) -> dict[str, Any]:
        """The manifest's line, once the file is closed."""
        return self._writer.entry(self._name, **self._counts)


@functools.lru_cache(maxsize=1)
def _tokenizer(tokenizer_file: str, sha256: str) -> LineTokenizer:
    return LineTokenizer(files.read_text(tokenizer_file))


def _batches(path: str) -> Iterator[list[Document]]:
    batch: list[Document] = []
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
    sha256 = job.work_log.config["tokenizer_sha256"]
    tokenize = _tokenizer(job.tokenizer_file, sha256)
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
                if sampled and len(samples) < NUM_SAMPLES:
                    samples += _samples(document, lines, start)
                start += len(document)
            for writer in splits.values():
                writer.write(lines)
    entries = [writer.entry() for writer in splits.values()]
    made = {"entries": entries, "samples": samples[:NUM_SAMPLES]}
    job.work_log.finish(job.name, made)
    return made


def _samples(document: Document, lines: Ragged, start: int) -> list[dict[str, Any]]:
    """A document's lines with their ids; `start` is the number of its first."""
    return [
        {"text": text, "ids": lines.row(number).tolist()}
        for number, text in enumerate(document, start)
    ]
