"""Runs' curves: training as lines, evaluation on held-out records as points.

A .html file also has each run's last values and warnings.

  python -m tools.plot_run --model_dir=runs/a,runs/b --output=runs.html
"""

import dataclasses

from absl import logging

from common import cli, files
from common.cli import flag
from common.errors import UserError


@dataclasses.dataclass(frozen=True)
class Settings:
    """Files."""

    model_dir: tuple[str, ...] = flag(
        (), "Folders of runs, separated by commas.", required=True, reads=True
    )
    output: str = flag(
        "", "File to write: .png or .html.", required=True, writes="file"
    )
    overwrite: bool = flag(False, "Replace --output if it exists.")


def plot_run(settings: Settings) -> None:
    output, model_dirs = settings.output, settings.model_dir
    if not output.endswith((".png", ".html")):
        raise UserError(f"--output={output} must end in .png or .html")
    if len(set(model_dirs)) < len(model_dirs):
        raise UserError(f"--model_dir={','.join(model_dirs)} names a folder twice")
    from tools import run_page  # imports TensorFlow

    logs = [run_page.read_run(model_dir) for model_dir in model_dirs]
    runs = dict(zip(run_page.names(model_dirs), logs, strict=True))
    content = run_page.plot(runs)
    if output.endswith(".html"):
        content = run_page.page(runs, content).encode("utf-8")
    with files.atomic_writer(output) as handle:
        handle.write(content)
    logging.info("%s shows %s", output, ", ".join(runs))


if __name__ == "__main__":
    cli.run(plot_run)
