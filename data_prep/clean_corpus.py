"""Raw text -> clean, deduplicated documents.

Reads .txt (a document per line, or lines with blank lines between documents), .jsonl
and .tsv, each plain, .gz or .zst; cleans every line by a recipe, drops lines by its
filters, drops duplicates of earlier lines, and writes shards, a report and a manifest.
The same command again goes on where a killed run stopped.

  python -m data_prep.clean_corpus --input='raw/*.jsonl.gz' --output_dir=W/clean \\
      --text_field=text --group_field=thread_id
"""

import os

from absl import flags

from common import cli
from data_prep.clean import pipeline
from data_prep.clean.settings import CleanSettings
from data_prep.stages import parallel
from data_prep.stages.executors import LocalExecutor

_INPUT = flags.DEFINE_list(
    "input", None, "Files to read: names or quoted patterns, separated by commas."
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder to write: new, empty, or of the same run before."
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Processes.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
cli.define_flags(CleanSettings)
flags.mark_flags_as_required(["input", "output_dir"])


def clean_corpus() -> None:
    settings = cli.from_flags(CleanSettings)
    with parallel.Workers(_NUM_WORKERS.value) as workers:
        pipeline.run(
            settings,
            _INPUT.value,
            _OUTPUT_DIR.value,
            _OVERWRITE.value,
            LocalExecutor(workers),
        )


if __name__ == "__main__":
    cli.run(clean_corpus)
