"""A run's folder -> a checked SavedModel in its place."""

import logging
import pathlib

import pytest
import tensorflow as tf

from data_prep import files, records, vocab
from data_prep.cli import UserError
from data_prep.recipes import RECIPES
from electra_tf import checkpoints
from electra_tf.config import PretrainingConfig
from electra_tf.pretraining_model import PretrainingModel

pytest.importorskip("tensorflow_text", reason="pip install 'korean-electra-tf[text]'")

from tools.export_saved_model import cleaning, export

TOKENS = [*vocab.SPECIAL_TOKENS, *"가나다", *("##" + c for c in "가나다")]
TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture
def model_dir(tmp_path) -> pathlib.Path:
    folder = tmp_path / "model"
    folder.mkdir()
    config = PretrainingConfig(
        model_hparam_overrides=TINY,
        embedding_size=8,
        generator_hidden_size=0.5,
        vocab_size=len(TOKENS),
        max_seq_length=16,
    )
    vocab.save(str(folder), TOKENS)
    recipe = RECIPES["default"]
    data = {
        "vocab_sha256": vocab.fingerprint(str(folder / vocab.VOCAB_FILE)),
        "recipe": recipe.name,
        "recipe_hash": recipe.hash(),
    }
    described = {"config": config.to_dict(), "data": data}
    files.write_json(str(folder / checkpoints.CONFIG_FILE), described)
    write_samples(folder, [5, 9, 7])
    model = PretrainingModel(config)
    checkpoints.save(str(folder), 7, model.named_variables, keep_max=1)
    return folder


def write_samples(folder: pathlib.Path, ids: list[int]) -> None:
    line = f'{{"text": "가나 다", "ids": {ids}}}\n'
    (folder / records.SAMPLES_FILE).write_text(line, "utf-8")


def test_the_folder_is_loaded_and_cleans_text(model_dir, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="absl"):
        export(str(model_dir), str(tmp_path / "out"), step=None)
    assert "included: nfc, map_letters, squeeze_space" in caplog.text
    assert "NOT included: remove_zero_width, keep, remove_urls" in caplog.text
    score = tf.saved_model.load(str(tmp_path / "out")).signatures["serving_default"]
    found = score(text=tf.constant([" 가나\u3000\u3000다 "]))
    assert found["text"].numpy()[0].decode() == "가나 다"
    assert found["tokens"].numpy()[0].tolist() == [
        token.encode() for token in ("가", "##나", "다")
    ]
    assert (tmp_path / "out" / "assets" / vocab.VOCAB_FILE).exists()


def test_a_failed_check_leaves_nothing(model_dir, tmp_path):
    write_samples(model_dir, [5, 9, 6])
    with pytest.raises(UserError, match="signature replaced_tokens differs"):
        export(str(model_dir), str(tmp_path / "out"), step=None)
    assert not (tmp_path / "out").exists()


def test_a_run_that_does_not_name_its_rules_is_told_of(caplog):
    with caplog.at_level(logging.INFO, logger="absl"):
        clean = cleaning({"recipe": "default", "recipe_hash": "another"})
    assert "does not say how its corpus was cleaned" in caplog.text
    assert clean(tf.constant(["  "])).numpy()[0] == b"  "
