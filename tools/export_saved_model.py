"""A run's checkpoint, or a fine-tuned model -> a SavedModel: text in, scores out.

A run's signatures are replaced_tokens (serving_default too) and embeddings. They clean
text by those rules of the corpus's recipe that TensorFlow's operations can express; the
log names the others. A fine-tuned model has one signature and reads text unchanged, as
in fine-tuning. Before it is put in its place, the SavedModel is loaded and compared
with the trained model on real text.

  python -m tools.export_saved_model --model_dir=W/model --output_dir=W/serving/1
  python -m tools.export_saved_model --model_dir=runs/nsmc/model --output_dir=serving/1
"""

import dataclasses
import os
import tempfile

from absl import logging

from common import cli, output_folder
from common.cli import flag
from common.output_folder import Output


@dataclasses.dataclass(frozen=True)
class Model:
    """The model."""

    model_dir: str = flag(
        "",
        "A run's folder, or the folder `model` of run_finetuning.",
        required=True,
        reads=True,
    )
    step: int | None = flag(
        None, "Checkpoint of a run (default: the newest).", at_least=0
    )


def export_saved_model(source: Model, output: Output) -> None:
    output_folder.check_new(output, "export_saved_model")
    # Imports TensorFlow, which takes seconds: --help and mistakes do not wait for it.
    from tools import served_models

    served_models.check(source.model_dir, source.step)
    with tempfile.TemporaryDirectory() as work_dir:
        folder = os.path.join(work_dir, "saved_model")
        served_models.export(source.model_dir, folder, source.step)
        output_folder.publish(folder, output, "export_saved_model", {})
    logging.info("%s -> %s", source.model_dir, output.output_dir)


if __name__ == "__main__":
    cli.run(export_saved_model)
