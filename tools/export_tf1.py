"""Run or folders -> a TF1 checkpoint that the original and old converters read.

Beside the checkpoint lie hparams.json (the original's names alone), vocab.txt, and a
config for each network that transformers' own converters (up to 4.x) can read from it.

  python tools/export_tf1.py --model_dir=W/model --output_dir=W/tf1 --with_optimizer
"""

from absl import flags, logging

from common import cli
from data_prep.stages import manifest
from electra_tf.export import sources, tf1_checkpoint


def export(
    source: sources.SourceFlags,
    output_dir: str,
    names: str = "original",
    with_optimizer: bool = False,
    overwrite: bool = False,
) -> None:
    """Reads the source whole, then writes; the file `checkpoint` comes last."""
    named = (source.model_dir, source.hf_dir, source.vocab_file)
    inputs = [path for path in named if path]
    manifest.check_output_dir(output_dir, overwrite, inputs)
    trained = sources.load(source)
    content = tf1_checkpoint.content(trained, names, with_optimizer)
    manifest.prepare_output_dir(output_dir, overwrite, inputs)
    prefix = tf1_checkpoint.write(trained.step, content, output_dir)
    logging.info("step %d -> %s", trained.step, prefix)


def main() -> None:
    export(
        cli.from_flags(sources.SourceFlags),
        flags.FLAGS.output_dir,
        flags.FLAGS["names"].value,
        flags.FLAGS.with_optimizer,
        flags.FLAGS.overwrite,
    )


if __name__ == "__main__":
    cli.define_flags(sources.SourceFlags)
    flags.DEFINE_enum(
        "names", "original", list(tf1_checkpoint.NAMES), "Whose; others for masked LMs."
    )
    flags.DEFINE_string("output_dir", None, "Folder to write, new or empty.")
    flags.DEFINE_bool("with_optimizer", False, "Write Adam slots and global_step too.")
    flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
    flags.mark_flags_as_required(["output_dir"])
    cli.run(main)
