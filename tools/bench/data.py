"""Times build_tfrecords beside the tokenizer alone, each on one thread.

Runs `data_prep.build_tfrecords --num_workers=1` as users do, start-up included, and by
turns encode_batch_fast of `tokenizers` on the same lines, without reading and start-up.
The ratio of the two times is also that of their tokens per second.

  python -m tools.bench.data --input_dir=W/clean --vocab_dir=W/vocab
"""

import dataclasses
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time

from absl import logging
from tokenizers import Tokenizer

from common import cli, files, manifest
from common.cli import flag
from common.errors import UserError
from data_prep.stages import shards
from data_prep.vocab import tokenizer_source
from tools.bench.side_by_side import Seconds

_LINES_PER_CALL = 1_000


def encode(paths: list[str], tokenizer_json: str) -> tuple[int, int, Seconds]:
    """Tokenizes shards on one thread; (number of lines, of tokens, cost)."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    documents = [document for path in paths for document in shards.read_shard(path)]
    lines = [line for document in documents for line in document]
    tokens, start = 0, (time.perf_counter(), time.process_time())
    for first in range(0, len(lines), _LINES_PER_CALL):
        batch = lines[first : first + _LINES_PER_CALL]
        encodings = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
        tokens += sum(map(len, encodings))
    cost = Seconds(time.perf_counter() - start[0], time.process_time() - start[1])
    return len(lines), tokens, cost


def _module(name: str, **options: object) -> tuple[Seconds, int]:
    """Runs a command; its cost and peak memory in bytes."""
    command = [sys.executable, "-m", name]
    command += [f"--{option}={value}" for option, value in options.items()]
    start = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        log = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(f"{' '.join(command)} failed:\n{log}")
    cost = Seconds(time.perf_counter() - start, usage.ru_utime + usage.ru_stime)
    return cost, usage.ru_maxrss * 1024


def make_corpus(work_dir: str, num_threads: int) -> tuple[str, str]:
    """Clean text and vocabulary of the bundled corpus; made only once."""
    clean, vocab_dir = (os.path.join(work_dir, name) for name in ("clean", "vocab"))
    if not files.exists(os.path.join(vocab_dir, manifest.NAME)):
        logging.info("making a corpus under %s", work_dir)
        with tempfile.TemporaryDirectory() as folder:
            raw = os.path.join(folder, "raw.jsonl")
            _module("tools.demo.corpus", output=raw, num_threads=num_threads)
            _module(
                "data_prep.clean_corpus",
                input=raw,
                output_dir=clean,
                text_field="text",
                group_field="thread_id",
                overwrite=True,
            )
        _module(
            "data_prep.train_vocab",
            input_dir=clean,
            output_dir=vocab_dir,
            vocab_size=2000,
            overwrite=True,
        )
    return clean, vocab_dir


def compare(clean: str, vocab_dir: str, output_dir: str, rounds: int) -> str:
    """Runs both sides by turns and reports their times."""
    entries = manifest.read(clean, "clean_corpus")["files"]
    paths = [os.path.join(clean, entry["name"]) for entry in entries]
    tokenizer_json = tokenizer_source.load(vocab_dir).tokenizer_json
    options = {"input_dir": clean, "vocab_dir": vocab_dir, "output_dir": output_dir}
    built, encoded, peak = [], [], 0
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for _ in range(rounds):
            lines, tokens, cost = pool.apply(encode, (paths, tokenizer_json))
            encoded.append(cost)
            cost, memory = _module(
                "data_prep.build_tfrecords", num_workers=1, overwrite=True, **options
            )
            built.append(cost)
            peak = max(peak, memory)
    size = sum(entry["bytes"] for entry in entries)
    report = [f"{size / 1e6:.1f} MB, {lines} lines, {tokens} tokens, {rounds} rounds"]
    for kind in Seconds._fields:
        alone = statistics.median(getattr(cost, kind) for cost in encoded)
        whole = statistics.median(getattr(cost, kind) for cost in built)
        report.append(
            f"{kind:>5} seconds: encode_batch_fast {alone:.2f} "
            f"({tokens / alone:,.0f} tokens/s), build_tfrecords {whole:.2f} "
            f"({tokens / whole:,.0f} tokens/s): ratio {alone / whole:.2f}"
        )
    return "\n".join([*report, f"peak memory of build_tfrecords: {peak / 1e6:.0f} MB"])


@dataclasses.dataclass(frozen=True)
class Settings:
    """Corpus and measurement."""

    input_dir: str = flag(
        "", "Folder of clean_corpus (default: the bundled corpus).", reads=True
    )
    vocab_dir: str = flag(
        "", "Folder of its vocabulary, as for build_tfrecords.", reads=True
    )
    work_dir: str = flag(
        "build/bench", "Folder for records and the bundled corpus.", writes="folder"
    )
    num_threads: int = flag(
        100_000, "Comment threads of the bundled corpus.", at_least=1
    )
    rounds: int = flag(3, "Runs of each side; the median counts.", at_least=1)


def bench_data(settings: Settings) -> None:
    clean, vocab_dir = settings.input_dir, settings.vocab_dir
    if bool(clean) != bool(vocab_dir):
        raise UserError("--input_dir and --vocab_dir go together")
    # Not --work_dir itself, where a corpus of the user's may be.
    work_dir = os.path.join(settings.work_dir, "bench_data")
    if not clean:
        clean, vocab_dir = make_corpus(work_dir, settings.num_threads)
    # Both sides use one thread.
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
    output_dir = os.path.join(work_dir, "tfrecords")
    print(compare(clean, vocab_dir, output_dir, settings.rounds))


if __name__ == "__main__":
    cli.run(bench_data)
