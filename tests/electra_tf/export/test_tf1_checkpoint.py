"""TF1 checkpoints for the original and for old converters."""

import pytest
import tensorflow as tf
from helpers import tiny
from helpers.originals import (
    CONFIGS,
    HPARAMS,
    make_model,
    slots,
    values,
)

from common.errors import UserError
from common.output_folder import Output
from electra_tf import config as config_lib
from electra_tf.export import tf1_checkpoint, trained
from electra_tf.export.flags import TrainedModel
from electra_tf.run_folder import tf1_format
from tools.export_tf1 import Checkpoint, export


@pytest.mark.parametrize("name", CONFIGS)
def test_the_originals_hparams_come_back(name):
    config = CONFIGS[name]
    hparams = tf1_checkpoint.original_hparams(config)
    assert config_lib.from_dict(hparams, "") == config
    assert hparams.keys() <= HPARAMS


@pytest.mark.parametrize("with_optimizer", [True, False])
def test_what_is_exported_is_read_again(with_optimizer, flags, model, tmp_path):
    output_dir = tmp_path / "tf1"
    export(flags, Output(str(output_dir)), Checkpoint(with_optimizer=with_optimizer))
    assert {path.name for path in output_dir.iterdir()} == {
        "checkpoint",
        "discriminator_config.json",
        "generator_config.json",
        "hparams.json",
        "manifest.json",
        "model.ckpt-20.data-00000-of-00001",
        "model.ckpt-20.index",
        "vocab.txt",
    }
    prefix = tf.train.latest_checkpoint(str(output_dir))
    held = set(tf1_format.shapes(prefix))
    more = set(slots(model)) | {"global_step"}
    assert held == set(model.named_variables) | (more if with_optimizer else set())
    again = TrainedModel(
        tf1_checkpoint=prefix,
        hparams=str(output_dir / "hparams.json"),
        vocab_file=str(output_dir / "vocab.txt"),
    )
    loaded = trained.load(again)
    tiny.assert_bit_equal(values(loaded.model), values(model))
    assert loaded.step == 20
    if with_optimizer:
        tiny.assert_bit_equal(trained.read_slots(loaded), slots(model))
    else:
        with pytest.raises(UserError, match="has no optimizer state"):
            more = Output(str(tmp_path / "more"))
            export(again, more, Checkpoint(with_optimizer=True))
        assert not (tmp_path / "more").exists()


@pytest.mark.parametrize(
    ("style", "found"),
    [
        ("original", {"electra", "generator_predictions"}),
        ("bert", {"bert", "cls"}),
        ("generator", {"electra", "generator", "generator_predictions"}),
    ],
)
def test_a_masked_lm_can_be_written_under_other_names(style, found, vocab_file):
    model = make_model(CONFIGS["masked LM"])
    networks = trained.Trained(model, vocab_file, [], "", 3)
    tensors = tf1_checkpoint.content(networks, style).tensors
    assert {name.split("/")[0] for name in tensors} == found
    assert len(tensors) == len(model.named_variables)


def test_other_names_are_for_masked_lms_alone(flags, tmp_path):
    with pytest.raises(UserError, match="--names=bert is for masked LMs"):
        export(flags, Output(str(tmp_path / "tf1")), Checkpoint("bert"))
    assert not (tmp_path / "tf1").exists()
