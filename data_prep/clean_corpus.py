"""Raw text -> clean, deduplicated documents.

Reads .txt (a document per line, or lines with blank lines between documents), .jsonl
and .tsv, each plain, .gz or .zst. Cleans every line with a recipe, drops lines that its
filters refuse and lines that repeat earlier ones, and writes shards, a report and a
manifest. The same command again resumes an interrupted run.

  python -m data_prep.clean_corpus --input='raw/*.jsonl.gz' --output_dir=W/clean \\
      --text_field=text --group_field=thread_id
"""

import dataclasses

from common import cli
from common.cli import flag
from common.output_folder import Output
from data_prep.clean import pipeline
from data_prep.clean.settings import CleanSettings
from data_prep.stages import execution
from data_prep.stages.execution import Execution


@dataclasses.dataclass(frozen=True)
class Input:
    """Input."""

    input: tuple[str, ...] = flag(
        (), "Files to read: names or quoted patterns.", required=True, reads=True
    )


def clean_corpus(
    raw: Input, output: Output, settings: CleanSettings, where: Execution
) -> None:
    with execution.start(where) as executor:
        pipeline.run(settings, raw.input, output, executor)


if __name__ == "__main__":
    cli.run(clean_corpus)
