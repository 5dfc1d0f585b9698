"""Logits that transformers 4.46.3 recorded, of checkpoints its own converters read."""

import json
import os

import numpy as np
import pytest
from helpers import GOLDEN, TESTS
from test_golden import initial_value

from electra_tf import config as config_lib
from electra_tf.export import hf_check, hf_folder, trained
from electra_tf.export.flags import TrainedModel
from electra_tf.model.batch import Inputs
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.weights import parameter_names

RECORDED = TESTS / "golden" / "transformers_4_46_3"
# A checkpoint of the original with those logits; too large to lie beside the tests.
ORIGINAL = GOLDEN / "tf1_checkpoint"
TOLERANCE = 1e-5
# Of the two config.json: what says how a checkpoint was made, or of which version.
NOT_THE_NETWORK = {
    "_attn_implementation_autoset",
    "_name_or_path",
    "architectures",
    "dtype",
    "torch_dtype",
    "transformers_version",
}


def _cases() -> dict[str, dict]:
    meta = json.loads(bytes(np.load(RECORDED / "logits.npz")["meta"]))
    assert meta["transformers"] == "4.46.3"
    return meta["cases"]


@pytest.mark.parametrize("name", _cases())
def test_old_converters_read_the_same_networks_from_exports(name):
    """They read what tf1_checkpoint wrote of the weights that `initial_value` gives."""
    recorded = np.load(RECORDED / "logits.npz")
    model = PretrainingModel(config_lib.from_dict(_cases()[name]["hparams"], name))
    for path, variable in model.named_variables.items():
        variable.assign(initial_value(path, variable.shape.as_list()))
    inputs = Inputs(*(recorded[name] for name in Inputs._fields))
    compared = 0
    for kind in (parameter_names.DISCRIMINATOR, parameter_names.GENERATOR):
        key = f"{name}/{kind}_logits"
        if key in recorded:
            ours = getattr(model, f"{kind}_logits")(inputs).numpy()
            real = inputs.input_mask > 0
            np.testing.assert_allclose(ours[real], recorded[key][real], 0, TOLERANCE)
            compared += 1
    assert compared == 1 + model.config.has_discriminator


needs_original = pytest.mark.skipif(
    not ORIGINAL.exists(), reason="no tf1_checkpoint in $ELECTRA_GOLDEN_DIR"
)


@pytest.fixture(scope="module")
def original() -> trained.Trained:
    flags = TrainedModel(
        tf1_checkpoint=str(ORIGINAL / "model.ckpt-20"),
        hparams=str(ORIGINAL / "hparams.json"),
        vocab_file=str(ORIGINAL / "vocab.txt"),
    )
    return trained.load(flags)


@needs_original
def test_the_originals_checkpoint_gives_the_recorded_logits(original, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    recorded = np.load(ORIGINAL / "hf_logits.npz")
    features = ("input_ids", "attention_mask", "token_type_ids")
    real = recorded["attention_mask"] > 0
    hf_folder.write_folders(original.model, original.vocab_file, str(tmp_path))
    for kind in parameter_names.networks(original.model.config):
        expected = recorded[f"{kind}_logits"]
        logits = getattr(original.model, f"{kind}_logits")
        inputs = Inputs(*(recorded[name].astype(np.int32) for name in features))
        ours = logits(inputs).numpy()
        np.testing.assert_allclose(ours[real], expected[real], 0, TOLERANCE)
        loader = getattr(transformers, hf_check.ARCHITECTURES[kind])
        network = loader.from_pretrained(str(tmp_path / kind)).eval()
        batch = {name: torch.from_numpy(recorded[name]).long() for name in features}
        with torch.no_grad():
            theirs = network(**batch).logits.numpy()
        np.testing.assert_allclose(theirs[real], expected[real], 0, TOLERANCE)


@needs_original
def test_the_originals_checkpoint_gives_the_recorded_configs(original, tmp_path):
    transformers = pytest.importorskip("transformers")
    hf_folder.write_folders(original.model, original.vocab_file, str(tmp_path))
    for kind in os.listdir(tmp_path):
        expected = json.loads((ORIGINAL / f"hf_{kind}_config.json").read_text())
        written = json.loads((tmp_path / kind / "config.json").read_text())
        loaded = transformers.ElectraConfig.from_pretrained(str(tmp_path / kind))
        # What is not written has the value that transformers gives by default.
        ours = json.loads(json.dumps(loaded.to_dict())) | written
        common = (expected.keys() & ours.keys()) - NOT_THE_NETWORK
        assert {"embedding_size", "num_attention_heads", "summary_type"} <= common
        wrong = {n: (ours[n], expected[n]) for n in common if ours[n] != expected[n]}
        assert not wrong
