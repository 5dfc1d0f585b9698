"""Clean text + vocabulary -> TFRecords for training and, apart, for evaluation.

Each clean shard becomes one training file and one evaluation file, in the original's
format; which documents are held out depends on their text alone. The same input, seed
and settings give the same bytes with any number of workers. The same command again
goes on where a killed run stopped.

  python -m data_prep.build_tfrecords --input_dir=W/clean --vocab_dir=W/vocab \\
      --output_dir=W/tfrecords --max_seq_length=128
"""

import os

from absl import flags

from common import cli
from data_prep.records import pipeline
from data_prep.records.pipeline import RecordSettings
from data_prep.stages import parallel
from data_prep.stages.executors import LocalExecutor

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
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Processes.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
cli.define_flags(RecordSettings)
flags.mark_flags_as_required(["input_dir", "vocab_dir", "output_dir"])


def build_tfrecords() -> None:
    with parallel.Workers(_NUM_WORKERS.value) as workers:
        pipeline.run(
            cli.from_flags(RecordSettings),
            _INPUT_DIR.value,
            _VOCAB_DIR.value,
            _OUTPUT_DIR.value,
            _OVERWRITE.value,
            LocalExecutor(workers),
        )


if __name__ == "__main__":
    cli.run(build_tfrecords)
