"""Models x tasks of many runs: mean and deviation over seeds, baselines, published ones.

python -m tools.scoreboard --runs='runs/*/*' --output=scores.html
"""

import os

from absl import flags, logging

from data_prep import cli, files
from data_prep.cli import UserError
from electra_tf.finetune import results
from electra_tf.finetune.results import RESULTS_FILE, Results
from tools import score_page, score_plots, score_table

_RUNS = flags.DEFINE_list(
    "runs", None, f"Patterns of folders that hold {RESULTS_FILE}, with commas between."
)
_OUTPUT = flags.DEFINE_string("output", None, "File to write: .md, .html or .png.")
_PUBLISHED = flags.DEFINE_bool("published", True, "Show what systems published, too.")
flags.mark_flags_as_required(["runs", "output"])


def read_runs(patterns: list[str]) -> list[tuple[str, Results]]:
    """(folder, results) of all folders that hold any.

    Raises:
      UserError: no folder does, or one holds something else.
    """
    folders = {
        folder: None
        for pattern in patterns
        for folder in files.glob(pattern.rstrip("/"))
    }
    paths = {folder: os.path.join(folder, RESULTS_FILE) for folder in folders}
    found = [(f, results.read(p)) for f, p in paths.items() if files.exists(p)]
    if not found:
        raise UserError(
            f"--runs={','.join(patterns)}: {len(folders)} folders match and none holds "
            f"{RESULTS_FILE}, which run_finetuning and score_baselines write"
        )
    return found


def scoreboard() -> None:
    output = _OUTPUT.value
    if not output.endswith((".md", ".html", ".png")):
        raise UserError(f"--output={output} must end in .md, .html or .png")
    found = read_runs(_RUNS.value)
    table = score_table.build(found, _PUBLISHED.value)
    if output.endswith(".md"):
        content = score_table.markdown(table).encode("utf-8")
    else:
        content = score_plots.dots(table)
        if output.endswith(".html"):
            content = score_page.page("Scores", table, content).encode("utf-8")
    with files.atomic_writer(output) as handle:
        handle.write(content)
    logging.info("%s shows %d runs", output, len(found))


if __name__ == "__main__":
    cli.run(scoreboard)
