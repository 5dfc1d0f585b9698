"""Flags of exports: a model is named in one way, and no flag is ignored."""

import pytest

from common.errors import UserError
from electra_tf.export.flags import TrainedModel

ORIGINAL = {"tf1_checkpoint": "a/model.ckpt-7", "hparams": "{}", "vocab_file": "v"}


@pytest.mark.parametrize("flags", [{"hf_dir": "hf"}, ORIGINAL], ids=["hf", "tf1"])
def test_a_step_is_of_a_run(flags):
    TrainedModel(**flags)
    with pytest.raises(UserError, match="--step=5 names a checkpoint of --model_dir"):
        TrainedModel(**flags, step=5)
