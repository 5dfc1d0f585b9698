"""Checkpoint -> `discriminator` and `generator` folders that transformers loads.

A masked LM becomes one folder, `masked_lm`. Each holds model.safetensors, config.json
and the tokenizer's files. Writing needs neither torch nor transformers; checking, on by
default, needs both: it loads the folders and compares their logits and token ids with
the trained model's on real text.

  python tools/convert_to_pytorch.py --model_dir=W/model --output_dir=W/hf
  python tools/convert_to_pytorch.py --tf1_checkpoint=DIR/model.ckpt-1000000 \
    --hparams=DIR/hparams.json --vocab_file=DIR/vocab.txt --output_dir=W/hf
"""

import os
import tempfile

from absl import flags, logging

from common import cli, files
from data_prep.stages import manifest
from electra_tf.export import hf_check, hf_folder, hub_push, model_card, sources
from electra_tf.run_folder import description
from electra_tf.weights import parameter_names


def write(
    trained: sources.Trained, folder: str, only: str, check: bool, write_bin: bool
) -> None:
    """Writes a trained model's folders and checks them."""
    hf_folder.write_folders(trained.model, trained.vocab_file, folder, only)
    if check:
        found = hf_check.verify(trained.model, folder, trained.samples, only)
        for kind, difference in found.items():
            logging.info(
                "%s: loaded by transformers; %d texts give the same ids, logits "
                "differ by at most %.1e",
                kind,
                len(trained.samples),
                difference,
            )
    if write_bin:
        for kind in files.listdir(folder):
            hf_folder.write_bin(os.path.join(folder, kind))


def convert(
    source: sources.SourceFlags,
    output_dir: str,
    only: str = "",
    check: bool = True,
    write_bin: bool = False,
    overwrite: bool = False,
    push: hub_push.Push = hub_push.NO_PUSH,
) -> None:
    """Puts the folders in their place once they are written and checked."""
    push.prepare()
    named = (source.model_dir, source.hf_dir, source.vocab_file)
    inputs = [path for path in named if path]
    manifest.check_output_dir(output_dir, overwrite, inputs)
    if source.model_dir:  # refused before the weights are read
        parameter_names.chosen_networks(description.read_run(source.model_dir)[0], only)
    trained = sources.load(source, only)
    with tempfile.TemporaryDirectory() as temporary:
        write(trained, temporary, only, check, write_bin)
        config, step = trained.model.config, trained.step
        model_card.write_cards(temporary, config, step, source.model_dir)
        manifest.prepare_output_dir(output_dir, overwrite, inputs)
        hf_folder.publish(temporary, output_dir)
        push.run(temporary)
    logging.info("step %d -> %s", trained.step, ", ".join(files.listdir(output_dir)))


def main() -> None:
    convert(
        cli.from_flags(sources.SourceFlags),
        flags.FLAGS.output_dir,
        flags.FLAGS.only,
        flags.FLAGS.verify,
        flags.FLAGS.write_bin,
        flags.FLAGS.overwrite,
        cli.from_flags(hub_push.Push),
    )


if __name__ == "__main__":
    # Defined only here: importing the module must not claim such common flag names.
    cli.define_flags(sources.SourceFlags)
    cli.define_flags(hub_push.Push)
    kinds = [
        "",
        parameter_names.DISCRIMINATOR,
        parameter_names.GENERATOR,
        parameter_names.MASKED_LM,
    ]
    flags.DEFINE_enum("only", "", kinds, "The one network to convert; default: all.")
    flags.DEFINE_string("output_dir", None, "Folder to write, new or empty.")
    flags.DEFINE_bool("verify", True, "Load the folders with transformers and compare.")
    flags.DEFINE_bool("write_bin", False, "Write pytorch_model.bin too; needs torch.")
    flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
    flags.mark_flags_as_required(["output_dir"])
    cli.run(main)
