"""Checkpoint -> `discriminator` and `generator` folders that transformers loads.

A masked LM becomes one folder, `masked_lm`. Each holds model.safetensors, config.json
and the tokenizer's files. Writing needs neither torch nor transformers. Checking, on by
default, needs both: it loads the folders and compares their logits and token ids with
the trained model's on real text.

  python tools/convert_to_pytorch.py --model_dir=W/model --output_dir=W/hf
  python tools/convert_to_pytorch.py --tf1_checkpoint=DIR/model.ckpt-1000000 \\
      --hparams=DIR/hparams.json --vocab_file=DIR/vocab.txt --output_dir=W/hf
"""

import dataclasses
import os
import tempfile

from absl import logging

from common import cli, files, output_folder
from common.cli import flag
from common.output_folder import Output
from electra_tf.export.flags import TrainedModel
from electra_tf.export.hub_push import Push
from electra_tf.run_folder import description
from electra_tf.weights import parameter_names


@dataclasses.dataclass(frozen=True)
class Conversion:
    """Conversion."""

    only: str | None = flag(
        None, "The one network to convert (default: all).", parameter_names.KINDS
    )
    verify: bool = flag(True, "Load the folders with transformers and compare.")
    write_bin: bool = flag(False, "Write pytorch_model.bin too; needs torch.")


def convert(
    source: TrainedModel, output: Output, conversion: Conversion, push: Push
) -> None:
    """Puts the folders in their place once they are written and checked."""
    push.prepare()
    output_folder.check_new(output, "convert_to_pytorch")
    only = conversion.only or ""
    if source.model_dir:  # refused before the weights are read
        parameter_names.chosen_networks(description.read_run(source.model_dir)[0], only)
    # Imports TensorFlow, which takes seconds: --help and mistakes do not wait for it.
    from electra_tf.export import hf_check, hf_folder, model_card, trained

    networks = trained.load(source, only)
    with tempfile.TemporaryDirectory() as folder:
        hf_folder.write_folders(networks.model, networks.vocab_file, folder, only)
        if conversion.verify:
            hf_check.verify(networks.model, folder, networks.samples, only)
        if conversion.write_bin:
            for kind in files.listdir(folder):
                hf_folder.write_bin(os.path.join(folder, kind))
        config, step = networks.model.config, networks.step
        model_card.write_cards(folder, config, step, source.model_dir)
        output_folder.publish(folder, output, "convert_to_pytorch", {"step": step})
        push.run(folder)
        written = ", ".join(files.listdir(folder))
    logging.info("step %d -> %s in %s", networks.step, written, output.output_dir)


if __name__ == "__main__":
    cli.run(convert)
