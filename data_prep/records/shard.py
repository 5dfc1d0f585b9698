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
from common.cli import flag
from common.output_folder import WorkLog
from data_prep.records import example, packing, tfrecord
from data_prep.records.example import EVAL, TRAIN
from data_prep.records.ragged import Ragged
from data_prep.records.tokenizer import LineTokenizer
from data_prep.stages import shards
from data_prep.stages.shards import Document
from data_prep.vocab.vocabulary import TOKENIZER_FILE

NUM_SAMPLES = 200
_BATCH_CHARACTERS = 1_000_000


@dataclasses.dataclass(frozen=True)
class RecordSettings:
    """What decides the records, besides text and vocabulary."""

    max_seq_length: int = flag(
        128, "Tokens in a record, including [CLS] and [SEP].", at_least=8
    )
    eval_fraction: float = flag(
        0.005,
        "Share of the documents held out for evaluation, chosen by a hash of their "
        "text.",
        at_least=0.0,
        at_most=0.5,
    )
    pack_documents: bool = flag(
        False,
        "Let short documents share a record, each with its own [CLS] and [SEP]. This "
        "trainer keeps them apart; google-research/electra does not.",
    )
    seed: int = flag(0, "Seed of the random choices when packing examples.")
    compression: str = flag(
        "none", "Compression of the TFRecord files.", choices=("none", "gzip")
    )


@dataclasses.dataclass(frozen=True)
class Job:
    """One clean shard of several, for a worker."""

    settings: RecordSettings
    log: WorkLog
    index: int
    input_path: str
    sha256: str
    num_shards: int

    def file(self, split: str) -> str:
        """Name of the TFRecord file of a split."""
        return f"{split}/{example.file_name(self.index, self.num_shards)}"


def is_held_out(document: Document, eval_fraction: float) -> bool:
    """Whether a document is for evaluation, which depends on its text alone."""
    digest = hashlib.blake2b(
        "\n".join(document).encode("utf-8"), digest_size=8
    ).digest()
    return int.from_bytes(digest, "little") < eval_fraction * 2**64


class _SplitWriter:
    """Packs the documents of one split of a shard and writes its TFRecord file."""

    def __init__(self, job: Job, split: str, stack: contextlib.ExitStack):
        self._settings = job.settings
        rng = random.Random(f"{job.settings.seed}/{split}/{job.index}")
        self._packer = packing.ExamplePacker(job.settings.max_seq_length, rng)
        self._waiting: list[packing.Segments] = []
        self._name = job.file(split)
        path = os.path.join(job.log.output, self._name)
        opened = tfrecord.open_writer(path, job.log.config["compression"])
        self._writer = stack.enter_context(opened)
        counted = ("documents", "examples", "tokens", "unk_tokens", "truncated_tokens")
        self._counts = Counter(dict.fromkeys(counted, 0))

    def add(self, lengths: list[int], first_line: int) -> None:
        """Packs a document of a batch; `lengths` are tokens per line."""
        self._counts["documents"] += 1
        self._waiting += self._packer.pack(lengths, first_line)

    def write(self, lines: Ragged) -> None:
        """Writes the examples packed from a batch, given the batch's lines."""
        length = self._settings.max_seq_length
        examples = packing.build(self._waiting, lines, length)
        self._waiting = []
        if self._settings.pack_documents:
            examples = packing.share_rows(examples, length)
        self._writer.write(example.encode(examples, length))
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


def _batches(path: str, sha256: str) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in shards.read_shard(path, sha256):
        batch.append(document)
        characters += sum(map(len, document))
        if characters > _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def build_shard(job: Job) -> dict[str, Any]:
    """Builds one shard's two files; returns manifest entries and sample lines."""
    name, eval_fraction = f"shard-{job.index:05d}", job.settings.eval_fraction
    paths = [os.path.join(job.log.output, job.file(split)) for split in (TRAIN, EVAL)]
    if (done := job.log.start(name, paths)) is not None:
        return done
    tokenizer_file = os.path.join(job.log.output, TOKENIZER_FILE)
    tokenize = _tokenizer(tokenizer_file, job.log.config["tokenizer_sha256"])
    samples: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        splits = {name: _SplitWriter(job, name, stack) for name in (TRAIN, EVAL)}
        for documents in _batches(job.input_path, job.sha256):
            lines = tokenize([line for document in documents for line in document])
            lengths = lines.lengths.tolist()
            start = 0
            for document in documents:
                split = EVAL if is_held_out(document, eval_fraction) else TRAIN
                splits[split].add(lengths[start : start + len(document)], start)
                sampled = split == EVAL or not eval_fraction
                if sampled and len(samples) < NUM_SAMPLES:
                    samples += _samples(document, lines, start)
                start += len(document)
            for writer in splits.values():
                writer.write(lines)
    entries = [writer.entry() for writer in splits.values()]
    made = {"entries": entries, "samples": samples[:NUM_SAMPLES]}
    job.log.finish(name, made)
    return made


def _samples(document: Document, lines: Ragged, start: int) -> list[dict[str, Any]]:
    """A document's lines with their ids; `start` is the number of its first."""
    return [
        {"text": text, "ids": lines.row(number).tolist()}
        for number, text in enumerate(document, start)
    ]
