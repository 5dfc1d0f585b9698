"""A run's folder, or a fine-tuned one -> a checked SavedModel in its place."""

import logging
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from common import files
from common.errors import UserError
from common.output_folder import Output
from data_prep.records import example
from data_prep.rules.recipes import RECIPES
from data_prep.vocab import tokenizer_source, vocabulary
from electra_tf.config import PretrainingConfig
from electra_tf.devices import strategies
from electra_tf.devices.flags import Devices
from electra_tf.finetune import model_folder, predict
from electra_tf.finetune.kinds import rows
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.run_folder import checkpoints, description

pytest.importorskip("tensorflow_text", reason="pip install 'korean-electra-tf[text]'")

from tools.export_saved_model import Model, export_saved_model
from tools.served_models import (
    check,
    check_one_text,
    cleaning,
    export,
    finetuned_outputs,
)

TOKENS = [*vocabulary.SPECIAL_TOKENS, *"가나다", *("##" + c for c in "가나다")]
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
    vocabulary.save(str(folder), TOKENS)
    recipe = RECIPES["default"]
    data = {
        "vocab_sha256": vocabulary.fingerprint(str(folder / vocabulary.VOCAB_FILE)),
        "recipe": recipe.name,
        "recipe_hash": recipe.hash(),
    }
    described = {"config": config.to_dict(), "data": data}
    files.write_json(str(folder / description.CONFIG_FILE), described)
    write_samples(folder, [5, 9, 7])
    model = PretrainingModel(config)
    checkpoints.save(str(folder), 7, model.named_variables, keep_max=1)
    return folder


def write_samples(folder: pathlib.Path, ids: list[int]) -> None:
    line = f'{{"text": "가나 다", "ids": {ids}}}\n'
    (folder / example.SAMPLES_FILE).write_text(line, "utf-8")


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
    assert (tmp_path / "out" / "assets" / vocabulary.VOCAB_FILE).exists()


def test_a_run_with_a_file_cut_short_is_refused(model_dir, tmp_path):
    data = (model_dir / vocabulary.TOKENIZER_FILE).read_bytes()
    (model_dir / vocabulary.TOKENIZER_FILE).write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="tokenizer.json is not JSON"):
        export(str(model_dir), str(tmp_path / "out"), step=None)
    assert not (tmp_path / "out").exists()


def test_a_failed_check_leaves_the_earlier_result(model_dir, tmp_path):
    source, output = Model(str(model_dir)), Output(str(tmp_path / "out"), True)
    export_saved_model(source, output)
    names = files.walk(output.output_dir)
    kept = {name: (tmp_path / "out" / name).read_bytes() for name in names}
    assert "saved_model.pb" in kept
    write_samples(model_dir, [5, 9, 6])
    with pytest.raises(UserError, match="signature replaced_tokens differs"):
        export_saved_model(source, output)
    names = files.walk(output.output_dir)
    assert kept == {name: (tmp_path / "out" / name).read_bytes() for name in names}


def test_a_run_that_does_not_name_its_rules_is_told_of(caplog):
    with caplog.at_level(logging.INFO, logger="absl"):
        clean = cleaning({"recipe": "default", "recipe_hash": "another"})
    assert "did not record how its corpus was cleaned" in caplog.text
    assert clean(tf.constant(["  "])).numpy()[0] == b"  "


LENGTH = 12
TEXTS = ["가나  다\n라", "가" * 20, "나"]


def finetuned(path: pathlib.Path, kind: kinds.Kind, labels: tuple[str, ...]) -> str:
    """A fine-tuned folder of random weights that are large enough to matter."""
    vocabulary.save(str(path), TOKENS)
    config = PretrainingConfig(model_hparam_overrides=TINY, vocab_size=len(TOKENS))
    model = FinetuningModel(kind, config.discriminator(), 8, len(labels), 0)
    rng = np.random.RandomState(0)
    weights = {
        name: rng.normal(size=variable.shape).astype(np.float32)
        for name, variable in model.named_variables.items()
    }
    reading = dict.fromkeys(model_folder.READING_SETTINGS, LENGTH)
    described = model_folder.TaskDescription("custom", kind, labels, False, reading)
    tokenizer = tokenizer_source.load_beside(str(path / vocabulary.VOCAB_FILE))
    model_folder.write(str(path / "model"), model, weights, described, tokenizer)
    return str(path / "model")


@pytest.mark.parametrize("kind", [kinds.CLASSIFICATION, kinds.TAGGING])
def test_a_finetuned_model_says_what_predict_says(kind, tmp_path):
    labels = ("O", "B-X", "I-X")
    model_dir, saved_dir = finetuned(tmp_path, kind, labels), str(tmp_path / "out")
    export(model_dir, saved_dir, step=None)
    score = tf.saved_model.load(saved_dir).signatures["serving_default"]
    found = {n: v.numpy() for n, v in score(text=tf.constant(TEXTS)).items()}
    no_units = () if kind is kinds.TAGGING else None
    unlabelled = [rows.Row(text, text, label=no_units) for text in TEXTS]
    cpu = strategies.make_strategy(Devices("cpu"))
    predictor = predict.Predictor(model_dir, cpu, batch_size=2)
    _, logits = predictor.logits(unlabelled)
    assert found["labels"].tolist() == [[label.encode() for label in labels]] * 3
    for i, value in enumerate(logits):
        expected = kind.probabilities(value)
        given = found["probabilities"][i]
        if kind is kinds.TAGGING:
            length = found["lengths"][i]
            expected, given = expected[1 : 1 + length], given[:length]
        np.testing.assert_allclose(given, expected, atol=1e-5)
    if kind is kinds.TAGGING:
        assert found["lengths"].tolist() == [4, LENGTH - 2, 1]
        assert found["text"][0].decode() == TEXTS[0]  # as it is
        first = slice(found["starts"][0, 2], found["ends"][0, 2])
        assert found["text"][0][first].decode() == "다"


def test_a_finetuned_model_may_be_on_a_bucket(tmp_path, bucket_folder):
    local = pathlib.Path(finetuned(tmp_path, kinds.CLASSIFICATION, ("0", "1")))
    for path in local.iterdir():
        with files.atomic_writer(f"{bucket_folder}/model/{path.name}") as handle:
            handle.write(path.read_bytes())
    serving = f"{bucket_folder}/serving/1"
    export_saved_model(Model(f"{bucket_folder}/model"), Output(serving))
    for name in files.walk(serving):
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        with files.open_binary(f"{serving}/{name}") as handle:
            (tmp_path / "here" / name).write_bytes(handle.read())
    score = tf.saved_model.load(str(tmp_path / "here")).signatures["serving_default"]
    assert score(text=tf.constant(TEXTS))["probabilities"].shape == [3, 2]


def test_a_finetuned_model_has_no_steps(tmp_path):
    model_dir = finetuned(tmp_path, kinds.CLASSIFICATION, ("0", "1"))
    check(model_dir, None)
    with pytest.raises(UserError, match="--step=7 is for a run.*is a fine-tuned model"):
        check(model_dir, 7)


READING = dict.fromkeys(model_folder.READING_SETTINGS, 16)


def model_of(kind: kinds.Kind, outputs: int) -> FinetuningModel:
    model = FinetuningModel(kind, tiny.config().discriminator(), 16, outputs, 0)
    tiny.set_random_values(model.named_variables)
    return model


@pytest.mark.parametrize(
    "kind, shape",
    [
        (kinds.CLASSIFICATION, (2, 3)),
        (kinds.MULTI_LABEL, (2, 3)),
        (kinds.TAGGING, (2, tiny.LENGTH, 3)),
    ],
)
def test_probabilities_are_those_of_predictions(kind, shape):
    model, inputs = model_of(kind, 3), tiny.inputs([16, 9])
    (found,) = finetuned_outputs(model, ("a", "b", "c")).values()
    given = found.function(*inputs)["probabilities"].numpy()
    assert given.shape == shape
    np.testing.assert_allclose(
        given, kind.probabilities(model(inputs).numpy()), atol=1e-6
    )
    assert found.per_token == (kind is kinds.TAGGING)
    assert found.labels == ("a", "b", "c")


def test_a_number_has_no_labels():
    model, inputs = model_of(kinds.REGRESSION, 1), tiny.inputs([16, 9])
    found = finetuned_outputs(model, ())["regression"]
    assert not found.labels
    tf.debugging.assert_near(found.function(*inputs)["score"], model(inputs))


@pytest.mark.parametrize(
    "task, kind, has_pairs",
    [
        ("korsts", kinds.REGRESSION, True),
        ("kobest_copa", kinds.MULTIPLE_CHOICE, False),
        ("custom", kinds.QUESTION_ANSWERING, True),
        ("custom", kinds.CLASSIFICATION, True),
    ],
)
def test_several_texts_are_refused(task, kind, has_pairs):
    with pytest.raises(UserError, match=f"{task}.*reads two texts or more.*predict"):
        check_one_text(
            model_folder.TaskDescription(task, kind, ("0", "1"), has_pairs, READING)
        )


def test_one_text_is_what_a_signature_reads():
    check_one_text(
        model_folder.TaskDescription(
            "custom", kinds.CLASSIFICATION, ("0", "1"), False, READING
        )
    )
