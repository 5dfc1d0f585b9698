"""Checkpoint -> `discriminator` and `generator` folders that transformers loads.

Each folder holds model.safetensors, config.json and the tokenizer's files. Writing
needs neither torch nor transformers; checking, on by default, needs both: it loads the
folders and compares their logits and token ids with the trained model's on real text.

  python tools/convert_to_pytorch.py --model_dir=W/model --output_dir=W/hf
"""

import os
import tempfile

from absl import flags, logging

from data_prep import cli, files, manifest, vocab
from electra_tf import checkpoints
from electra_tf.interchange import hf_check, hf_folder, hub, model_card, names


def convert(
    model_dir: str,
    output_dir: str,
    step: int | None,
    check: bool,
    push: hub.Push = hub.NO_PUSH,
) -> None:
    """Writes the folders, checks them, and only then puts them in their place."""
    push.prepare()
    model, step = checkpoints.load_model(model_dir, step)
    samples = hf_check.read_samples(model_dir)
    with tempfile.TemporaryDirectory() as temporary:
        hf_folder.write_folders(
            model, os.path.join(model_dir, vocab.VOCAB_FILE), temporary
        )
        model_card.write_cards(temporary, model.config, step, model_dir)
        if check:
            for kind, difference in hf_check.verify(model, temporary, samples).items():
                logging.info(
                    "%s: loaded by transformers; %d texts give the same ids, logits "
                    "differ by at most %.1e",
                    kind,
                    len(samples),
                    difference,
                )
        hf_folder.publish(temporary, output_dir)
        push.run(temporary)
    logging.info("step %d -> %s", step, ", ".join(files.listdir(output_dir)))


def main() -> None:
    output_dir, overwrite = flags.FLAGS.output_dir, flags.FLAGS.overwrite
    manifest.check_output_dir(output_dir, overwrite)
    names.networks(checkpoints.read_run(flags.FLAGS.model_dir)[0])
    manifest.prepare_output_dir(output_dir, overwrite)
    convert(
        flags.FLAGS.model_dir,
        output_dir,
        flags.FLAGS.step,
        flags.FLAGS.verify,
        cli.from_flags(hub.Push),
    )


if __name__ == "__main__":
    # Defined only here: importing the module must not claim such common flag names.
    flags.DEFINE_string("model_dir", None, "A run's folder, made by run_pretraining.")
    flags.DEFINE_string("output_dir", None, "Folder to write, new or empty.")
    flags.DEFINE_integer("step", None, "Checkpoint to convert; default: the newest.")
    flags.DEFINE_bool("verify", True, "Load the folders with transformers and compare.")
    flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
    cli.define_flags(hub.Push)
    flags.mark_flags_as_required(["model_dir", "output_dir"])
    cli.run(main)
