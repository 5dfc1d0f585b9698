"""Where fine-tuning may begin: what --init_from can name, and what is refused."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from helpers import small, tiny
from safetensors.numpy import load_file, save_file

from common.errors import UserError
from data_prep.vocab import vocabulary
from electra_tf.export import hf_folder
from electra_tf.finetune import model_folder, pretrained
from electra_tf.finetune.kinds import table as kinds
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.run_folder import checkpoints, description

pytestmark = pytest.mark.usefixtures("plain")


def encoder(model) -> dict[str, np.ndarray]:
    named = model.named_variables.items()
    return {n: v.numpy() for n, v in named if n.startswith("electra/")}


def assert_begins_from(found: pretrained.Pretrained, model) -> None:
    expected = encoder(model)
    assert found.weights.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found.weights[name], value, err_msg=name)
    assert found.network == model.config.discriminator()
    assert found.embedding_size == model.config.resolved_embedding_size
    assert found.tokenizer.tokens == tuple(tiny.tokens())
    assert len(found.sha256) == 64


@pytest.mark.parametrize("name", ["discriminator", ""])
def test_a_converted_folder(exported, model, name):
    found = pretrained.read([str(exported / name)])
    assert_begins_from(found, model)
    assert found.checkpoint["step"] is None
    assert found.checkpoint["path"] == str(exported / name)


def test_a_pretraining_run_at_any_of_its_steps(data_dir, model, tmp_path):
    manifest = json.loads((data_dir / "tfrecords" / "manifest.json").read_text())
    run = str(tmp_path / "run")
    description.open_run(run, str(data_dir), model.config, manifest)
    for step in (10, 20):
        checkpoints.save(run, step, model.named_variables, keep_max=0)
    assert_begins_from(pretrained.read([run]), model)
    assert pretrained.read([run]).step == 20
    assert pretrained.read([run], step=10).checkpoint["step"] == 10
    with pytest.raises(UserError, match="has no checkpoint 15"):
        pretrained.read([run], step=15)


def test_a_generator_alone_is_refused(exported):
    with pytest.raises(UserError, match="no whole encoder.*Name a discriminator"):
        pretrained.read([str(exported / "generator")])


def test_a_fine_tuned_folder_keeps_its_head_for_prediction(tmp_path):
    made = small.model(kinds.TAGGING)
    weights, said = small.values(made), small.described(kinds.TAGGING)
    model_folder.write(str(tmp_path), made, weights, said, small.tokenizer())
    found = pretrained.read([str(tmp_path)])
    assert found.weights.keys() == weights.keys()
    assert found.network == small.NETWORK
    assert found.embedding_size == small.EMBEDDING_SIZE
    assert found.tokenizer.tokens == small.tokenizer().tokens
    # Fine-tuned again, for another task, it is an encoder like any other.
    other = small.model(kinds.CLASSIFICATION, seed=1)
    pretrained.fill(other.named_variables, found, with_head=False)
    for name, value in encoder(other).items():
        np.testing.assert_array_equal(value, weights[name], err_msg=name)


def test_a_vocabulary_of_another_size_is_refused(exported, tmp_path):
    vocabulary.save(str(tmp_path), tiny.tokens(41))
    with pytest.raises(UserError, match="41 tokens, the embedding table 40 rows"):
        pretrained.read([str(exported / "discriminator")], str(tmp_path / "vocab.txt"))


def test_weights_that_are_not_finite_are_refused(exported, tmp_path):
    path = shutil.copytree(exported / "discriminator", tmp_path / "copy")
    state = load_file(path / "model.safetensors")
    state["electra.embeddings.LayerNorm.bias"][3] = np.nan
    save_file(state, path / "model.safetensors")
    with pytest.raises(UserError, match="not finite, such as .*LayerNorm/beta"):
        pretrained.read([str(path)])


def test_a_masked_lm_of_bert(data_dir, tmp_path):
    config = tiny.config(electra_objective=False, embedding_size=32)
    bert = PretrainingModel(config)
    vocab_file = str(data_dir / "tfrecords" / vocabulary.VOCAB_FILE)
    hf_folder.write_folders(bert, vocab_file, str(tmp_path))
    assert_begins_from(pretrained.read([str(tmp_path / "masked_lm")]), bert)


def test_a_checkpoint_of_the_original_says_no_heads(model, tmp_path):
    checkpoints.save(str(tmp_path), 7, model.named_variables, keep_max=0)
    vocabulary.save(str(tmp_path), tiny.tokens())
    found = pretrained.read([checkpoints.prefix(str(tmp_path), 7)])
    # Those of the original have 64 units each, and one has at least one.
    expected = dataclasses.replace(model.config.discriminator(), num_attention_heads=1)
    assert found.network == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 64}, "hidden_size: 64 there, 32 by the weights"),
        ({"num_hidden_layers": 3}, "num_hidden_layers: 3 there, 2 by the weights"),
        ({"hidden_act": "relu"}, "hidden_act of the electra is 'relu'"),
        ({"position_embedding_type": "relative_key"}, "is 'relative_key', not"),
    ],
    ids=str,
)
def test_another_network_than_its_config_says_is_refused(
    exported, tmp_path, changes, message
):
    path = shutil.copytree(exported / "discriminator", tmp_path / "copy")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(UserError, match=message):
        pretrained.read([str(path)])


def test_fill_takes_the_encoder_and_leaves_the_head():
    source = small.values(small.model(kinds.TAGGING, seed=1))
    made = small.model(kinds.TAGGING)
    before = small.values(made)
    pretrained.fill(made.named_variables, small.pretrained(source), with_head=False)
    for name, value in small.values(made).items():
        expected = source if name.startswith("electra/") else before
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    pretrained.fill(made.named_variables, small.pretrained(source), with_head=True)
    np.testing.assert_array_equal(
        made.head.classifier.kernel, source["classifier/kernel"]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classifier/kernel": None}, "classifier/kernel is missing"),
        (
            {"classifier/bias": np.zeros(5)},
            r"classifier/bias has shape \[5\], the config says \[3\]",
        ),
    ],
    ids=str,
)
def test_fill_refuses_what_does_not_fit(change, message):
    made = small.model(kinds.TAGGING)
    weights = {n: v for n, v in (small.values(made) | change).items() if v is not None}
    with pytest.raises(UserError, match=message):
        pretrained.fill(made.named_variables, small.pretrained(weights), with_head=True)
