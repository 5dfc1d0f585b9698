"""A table of models and tasks: mean and deviation over seeds, beside published scores.

python -m tools.scoreboard --runs='runs/*/*' --output=scores.html
"""

import dataclasses

from absl import logging

from common import cli, files
from common.cli import flag
from common.errors import UserError
from electra_tf.finetune import results
from electra_tf.finetune.results import RESULTS_FILE
from tools.scores import plots
from tools.scores import table as score_table


@dataclasses.dataclass(frozen=True)
class Settings:
    """Runs and output."""

    runs: tuple[str, ...] = flag(
        (),
        f"Patterns of folders with {RESULTS_FILE}, separated by commas.",
        required=True,
        reads=True,
    )
    output: str = flag(
        "", "File to write: .md, .html or .png.", required=True, writes="file"
    )
    overwrite: bool = flag(False, "Replace --output if it exists.")
    published: bool = flag(True, "Also show the scores that systems published.")


def scoreboard(settings: Settings) -> None:
    output = settings.output
    if not output.endswith((".md", ".html", ".png")):
        raise UserError(f"--output={output} must end in .md, .html or .png")
    runs = results.read_all(settings.runs)
    table = score_table.build(runs, settings.published)
    if output.endswith(".md"):
        content = score_table.markdown(table).encode("utf-8")
    else:
        content = plots.dots(table)
        if output.endswith(".html"):
            content = score_table.page("Scores", table, content).encode("utf-8")
    with files.atomic_writer(output) as handle:
        handle.write(content)
    logging.info("%s shows %d runs", output, len(runs))


if __name__ == "__main__":
    cli.run(scoreboard)
