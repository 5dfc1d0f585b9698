"""Clean text + vocabulary -> TFRecords for training and, apart, for evaluation.

Each clean shard becomes one training file and one evaluation file, in the original's
format; which documents are held out depends on their text alone. The same input, seed
and settings give the same bytes with any number of workers. The same command again
resumes an interrupted run.

  python -m data_prep.build_tfrecords --input_dir=W/clean --vocab_dir=W/vocab \\
      --output_dir=W/tfrecords --max_seq_length=128
"""

import dataclasses

from common import cli
from common.cli import flag
from common.output_folder import Output
from data_prep.records import pipeline
from data_prep.records.shard import RecordSettings
from data_prep.stages import execution
from data_prep.stages.execution import Execution


@dataclasses.dataclass(frozen=True)
class Input:
    """Input."""

    input_dir: str = flag("", "Folder made by clean_corpus.", required=True, reads=True)
    vocab_dir: str = flag(
        "",
        "Folder made by train_vocab, folder of a published WordPiece tokenizer "
        "(Hugging Face), or a vocab.txt.",
        required=True,
        reads=True,
    )


def build_tfrecords(
    made: Input, output: Output, settings: RecordSettings, where: Execution
) -> None:
    with execution.start(where) as executor:
        pipeline.run(settings, made.input_dir, made.vocab_dir, output, executor)


if __name__ == "__main__":
    cli.run(build_tfrecords)
