"""Run or folders -> a TF1 checkpoint that the original and old converters read.

Beside the checkpoint are hparams.json (only names that the original has), vocab.txt,
and a config for each network that transformers' own converters (up to 4.x) can read.

  python -m tools.export_tf1 --model_dir=W/model --output_dir=W/tf1 --with_optimizer
"""

import dataclasses
import os
import tempfile

from absl import logging

from common import cli, output_folder
from common.cli import flag
from common.output_folder import Output
from electra_tf.export.flags import TrainedModel


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The checkpoint."""

    names: str = flag(
        "original",
        "Whose names the variables get; others than the original's are for masked LMs.",
        ("original", "bert", "generator"),
    )
    with_optimizer: bool = flag(
        False, "Write Adam's slots and global_step too, to train on."
    )


def export(source: TrainedModel, output: Output, checkpoint: Checkpoint) -> None:
    """Puts the files in their place once all are written."""
    output_folder.check_new(output, "export_tf1")
    # Imports TensorFlow, which takes seconds: --help and mistakes do not wait for it.
    from electra_tf.export import tf1_checkpoint, trained

    networks = trained.load(source)
    content = tf1_checkpoint.content(
        networks, checkpoint.names, checkpoint.with_optimizer
    )
    with tempfile.TemporaryDirectory() as folder:
        prefix = tf1_checkpoint.write(networks.step, content, folder)
        output_folder.publish(folder, output, "export_tf1", {"step": networks.step})
    name = os.path.basename(prefix)
    logging.info("step %d -> %s", networks.step, os.path.join(output.output_dir, name))


if __name__ == "__main__":
    cli.run(export)
