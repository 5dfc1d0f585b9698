"""Raw text -> clean, deduplicated documents.

Reads .txt (a document per line, or lines with blank lines between documents), .jsonl
and .tsv, each plain, .gz or .zst; cleans every line by a recipe, drops lines by its
filters, drops duplicates of earlier lines, and writes shards, a report and a manifest.
The same command again goes on where a killed run stopped.

  python -m data_prep.clean_corpus --input='raw/*.jsonl.gz' --output_dir=W/clean \\
      --text_field=text --group_field=thread_id
"""

import dataclasses
import os

from common import cli
from common.cli import flag
from data_prep.clean import pipeline
from data_prep.clean.settings import CleanSettings
from data_prep.stages import parallel
from data_prep.stages.executors import LocalExecutor


@dataclasses.dataclass(frozen=True)
class Files:
    """Files and processes."""

    input: tuple[str, ...] = flag(
        (), "Files to read: names or quoted patterns.", required=True
    )
    output_dir: str = flag(
        "", "Folder to write: new, empty, or of the same run before.", required=True
    )
    num_workers: int = flag(os.cpu_count(), "Processes.", at_least=1)
    overwrite: bool = flag(False, "Remove what --output_dir holds.")


def clean_corpus(given: Files, settings: CleanSettings) -> None:
    with parallel.Workers(given.num_workers) as workers:
        pipeline.run(
            settings,
            given.input,
            given.output_dir,
            given.overwrite,
            LocalExecutor(workers),
        )


if __name__ == "__main__":
    cli.run(clean_corpus)
