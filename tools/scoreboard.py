"""Models x tasks of many runs: mean and deviation of seeds, baselines, published ones.

python -m tools.scoreboard --runs='runs/*/*' --output=scores.html
"""

from absl import flags, logging

from common import cli, files
from common.cli import UserError
from electra_tf.finetune import results
from electra_tf.finetune.results import RESULTS_FILE
from tools.scores import page, plots
from tools.scores import table as score_table

_RUNS = flags.DEFINE_list(
    "runs", None, f"Patterns of folders that hold {RESULTS_FILE}, with commas between."
)
_OUTPUT = flags.DEFINE_string("output", None, "File to write: .md, .html or .png.")
_PUBLISHED = flags.DEFINE_bool("published", True, "Show what systems published, too.")
flags.mark_flags_as_required(["runs", "output"])


def scoreboard() -> None:
    output = _OUTPUT.value
    if not output.endswith((".md", ".html", ".png")):
        raise UserError(f"--output={output} must end in .md, .html or .png")
    found = results.read_all(_RUNS.value)
    table = score_table.build(found, _PUBLISHED.value)
    if output.endswith(".md"):
        content = score_table.markdown(table).encode("utf-8")
    else:
        content = plots.dots(table)
        if output.endswith(".html"):
            content = page.page("Scores", table, content).encode("utf-8")
    with files.atomic_writer(output) as handle:
        handle.write(content)
    logging.info("%s shows %d runs", output, len(found))


if __name__ == "__main__":
    cli.run(scoreboard)
