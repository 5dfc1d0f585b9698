"""The check of exported folders must fail where something is wrong with them."""

import json
import os
import pathlib

import pytest
from safetensors.numpy import load_file, save_file

from data_prep.vocab import vocabulary
from electra_tf.config import PretrainingConfig
from electra_tf.export import hf_folder
from electra_tf.pretrain.model import PretrainingModel
from tools import check_transformers

CONFIG = PretrainingConfig(
    model_hparam_overrides={
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "max_position_embeddings": 128,
    },
    embedding_size=16,
    generator_hidden_size=1.0,
    vocab_size=45,
    max_seq_length=64,
)


@pytest.fixture
def folders(tmp_path) -> pathlib.Path:
    tokens = [*vocabulary.SPECIAL_TOKENS, *(chr(0xAC00 + i) for i in range(40))]
    vocabulary.save(str(tmp_path), tokens)
    vocab_file = str(tmp_path / vocabulary.VOCAB_FILE)
    hf_folder.write_folders(PretrainingModel(CONFIG), vocab_file, str(tmp_path / "hf"))
    return tmp_path / "hf"


def test_good_folders_pass(folders):
    for kind in os.listdir(folders):
        logits = check_transformers.check_folder(folders / kind)
        assert logits.shape[2:] == ((45,) if kind == "generator" else ())


def _edit(path: pathlib.Path, **changes) -> None:
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(content | changes), "utf-8")


def _drop_a_weight(folder: pathlib.Path) -> None:
    path = folder / hf_folder.WEIGHTS_FILE
    state = load_file(path)
    del state["generator_predictions.dense.bias"]
    save_file(state, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_drop_a_weight, "missing_keys .*generator_predictions.dense.bias"),
        (
            lambda f: _edit(f / "tokenizer_config.json", do_lower_case=True),
            "do_lower_case is True|gives|lower-cased",
        ),
        (
            lambda f: _edit(f / "tokenizer_config.json", strip_accents=True),
            "gives|taken apart",
        ),
        (
            lambda f: _edit(f / "tokenizer_config.json", model_max_length=512),
            "model_max_length is 512, not 128",
        ),
    ],
    ids=["a weight", "lower case", "accents", "length"],
)
def test_damaged_folders_do_not(damage, words, folders):
    damage(folders / "generator")
    with pytest.raises(SystemExit, match=words):
        check_transformers.check_folder(folders / "generator")
