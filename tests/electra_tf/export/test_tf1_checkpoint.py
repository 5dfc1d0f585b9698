"""TF1 checkpoints of the original: read, refused in words, and written."""

import dataclasses
import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from common.cli import UserError
from data_prep.vocab import vocabulary
from electra_tf import config as config_lib
from electra_tf.config import PretrainingConfig
from electra_tf.export import hf_folder, sources, tf1_checkpoint
from electra_tf.export.sources import SourceFlags
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.run_folder import tf1_format
from electra_tf.weights import parameter_names, tf1_config
from tools.export_tf1 import export

CONFIGS = {
    "small-like": tiny.config(),
    "base-like": tiny.config(embedding_size=32),
    "ratio 1.0": tiny.config(generator_hidden_size=1.0),
    "tied": tiny.config(untied_generator=False),
    "untied embeddings": tiny.config(untied_generator_embeddings=True),
    "uniform": tiny.config(uniform_generator=True),
    "masked LM": tiny.config(electra_objective=False, embedding_size=32),
    "other sizes": tiny.config(
        {"intermediate_size": 56, "num_hidden_layers": 4, "type_vocab_size": 3},
        generator_layers=0.5,
    ),
}
# What shapes do not show.
SAID = {
    "small-like": {"model_hparam_overrides": {"num_attention_heads": 2}},
    "uniform": {"uniform_generator": True},
}
LENGTH = {"max_seq_length": tiny.LENGTH}


def _model(config: PretrainingConfig) -> PretrainingModel:
    model = PretrainingModel(config)
    tiny.set_random_values(model.named_variables)
    return model


def _write(
    folder: pathlib.Path, model: PretrainingModel, drop: str = "$^", **more
) -> str:
    """A checkpoint of the model's variables but those that `drop` matches."""
    values = {n: v for n, v in model.named_variables.items() if not re.match(drop, n)}
    prefix = str(folder / "model.ckpt-20")
    tf1_format.write(prefix, {**values, **more})
    return prefix


def _slots(model: PretrainingModel) -> dict[str, np.ndarray]:
    return {
        f"{name}/adam_{slot}": np.full(variable.shape, fill, np.float32)
        for name, variable in model.named_variables.items()
        for slot, fill in (("m", 0.5), ("v", 0.25))
    }


def _values(model: PretrainingModel) -> dict[str, np.ndarray]:
    return {name: v.numpy() for name, v in model.named_variables.items()}


@pytest.fixture
def vocab_file(tmp_path) -> str:
    path = tmp_path / "vocabulary" / vocabulary.VOCAB_FILE
    path.parent.mkdir()
    path.write_text("".join(t + "\n" for t in tiny.tokens()), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", CONFIGS)
def test_shapes_say_every_size(name, tmp_path):
    model = _model(CONFIGS[name])
    prefix = _write(tmp_path, model)
    read = sources.read_model(prefix, LENGTH | SAID.get(name, {}))
    tiny.assert_bit_equal(_values(read), _values(model))
    assert list(parameter_names.networks(read.config)) == list(
        parameter_names.networks(model.config)
    )
    for kind, made in parameter_names.networks(model.config).items():
        found = parameter_names.networks(read.config)[kind]
        assert dataclasses.replace(found, num_attention_heads=1) == (
            dataclasses.replace(made, num_attention_heads=1)
        )


def test_adam_slots_and_the_step_are_left_aside(model, tmp_path):
    more = _slots(model) | {"global_step": np.int64(7)}
    prefix = _write(tmp_path, model, **more)
    read = sources.read_model(prefix, LENGTH)
    tiny.assert_bit_equal(_values(read), _values(model))


def test_heads_are_the_hparams_or_else_by_the_originals_rule(model, tmp_path):
    prefix = _write(tmp_path, model)
    by_rule = sources.read_model(prefix, LENGTH).config.discriminator()
    assert by_rule.num_attention_heads == 1
    said = LENGTH | SAID["small-like"]
    read = sources.read_model(prefix, said).config.discriminator()
    assert read.num_attention_heads == 2
    said = LENGTH | {"model_hparam_overrides": {"num_attention_heads": 3}}
    with pytest.raises(UserError, match="hidden_size 32 is not a multiple of num_att"):
        sources.read_model(prefix, said)


@pytest.mark.parametrize(
    ("hparams", "words"),
    [
        ({"model_size": "base"}, "electra's hidden_size is 32 there, 768 by"),
        ({"model_hparam_overrides": {"hidden_size": 64}}, "is 32 there, 64 by"),
        ({"model_hparam_overrides": {"intermediate_size": 64}}, "is 128 there, 64"),
        ({"model_hparam_overrides": {"num_hidden_layers": 1}}, "layers is 2 there, 1"),
        ({"model_hparam_overrides": {"max_position_embeddings": 64}}, "32 there, 64"),
        ({"embedding_size": 32}, "electra's embedding_size is 16 there, 32 by"),
        ({"vocab_size": 41}, "electra's vocab_size is 40 there, 41 by"),
        ({"generator_hidden_size": 1.0}, "generator's hidden_size is 16 there, 32"),
        ({"generator_layers": 0.5}, "generator's num_hidden_layers is 2 there, 1"),
        ({"untied_generator": False}, "variables that no network takes: generator/"),
        ({"untied_generator_embeddings": True}, "generator/embeddings/.* is missing"),
        ({"uniform_generator": True}, "no network takes: generator/"),
        ({"electra_objective": False, "embedding_size": 16}, "as wide as its hidden"),
        ({"electric_objective": True}, "no class for the electric objective"),
        ({"hidden_dropout": 0.1}, "no hyperparameter is called 'hidden_dropout'"),
    ],
)
def test_hparams_that_say_otherwise_are_refused(hparams, words, model, tmp_path):
    prefix = _write(tmp_path, model)
    with pytest.raises(UserError, match=words):
        sources.read_model(prefix, LENGTH | hparams)


DISCRIMINATOR_ALONE = "generator"
GENERATOR_ALONE = "discriminator|electra/encoder|electra/embeddings_project"


@pytest.mark.parametrize(
    ("drop", "only", "words"),
    [
        (DISCRIMINATOR_ALONE, "", "no generator .*--only=discriminator converts the d"),
        (
            DISCRIMINATOR_ALONE,
            parameter_names.GENERATOR,
            "no generator .*--only=discriminator",
        ),
        (GENERATOR_ALONE, "", r"missing\); --only=generator converts the generator$"),
        (GENERATOR_ALONE, parameter_names.DISCRIMINATOR, "holds no discriminator"),
        ("generator_predictions/dense/bias", "", "dense/bias is missing"),
        ("electra/encoder/layer_1/output/dense/kernel", "", "kernel is missing"),
        (
            "electra/encoder/layer_0/intermediate",
            "",
            "electra/ do not show the intermediate_size",
        ),
        ("electra/embeddings/word", "", "generator/ do not show the vocab_size"),
        (".*_predictions", "", "holds no discriminator"),
    ],
)
def test_what_is_missing_is_named(drop, only, words, model, tmp_path):
    prefix = _write(tmp_path, model, drop)
    with pytest.raises(UserError, match=words):
        sources.read_model(prefix, LENGTH, only)


@pytest.mark.parametrize(
    ("drop", "only"),
    [
        (DISCRIMINATOR_ALONE, parameter_names.DISCRIMINATOR),
        (GENERATOR_ALONE, parameter_names.GENERATOR),
        ("$^", parameter_names.DISCRIMINATOR),
        ("$^", parameter_names.GENERATOR),
    ],
    ids=["discriminator alone", "generator alone", "both, first", "both, second"],
)
def test_one_network_of_a_checkpoint_can_be_read(drop, only, model, tmp_path):
    prefix = _write(tmp_path, model, drop)
    hparams = LENGTH | {"model_hparam_overrides": {"num_attention_heads": 1}}
    read = sources.read_model(prefix, hparams, only)
    network = parameter_names.network_variables(read.config, only)
    found, made = _values(read), _values(model)
    wanted = {name for name in made if network.match(name)}
    assert wanted and wanted <= found.keys()
    for name in wanted:
        np.testing.assert_array_equal(found[name], made[name])


def test_a_variable_that_no_network_takes_is_refused(model, tmp_path):
    prefix = _write(tmp_path, model, **{"electra/pooler/dense/bias": np.zeros(3)})
    with pytest.raises(UserError, match="1 variables .*: electra/pooler/dense/bias"):
        sources.read_model(prefix, LENGTH)


def _cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("ending", [".data-00000-of-00001", ".index"])
@pytest.mark.parametrize("damage", [_cut, pathlib.Path.unlink])
def test_a_damaged_file_is_refused_in_words(ending, damage, model, tmp_path):
    prefix = _write(tmp_path, model)
    damage(pathlib.Path(prefix + ending))
    with pytest.raises(UserError, match="model.ckpt-20 cannot be read: .*copy both"):
        sources.read_model(prefix, LENGTH)


@pytest.fixture
def flags(model, vocab_file, tmp_path) -> SourceFlags:
    """The original's files of the shared model, with slots."""
    more = _slots(model) | {"global_step": np.int64(20)}
    hparams = json.dumps(LENGTH | SAID["small-like"])
    return SourceFlags(
        tf1_checkpoint=_write(tmp_path, model, **more),
        hparams=hparams,
        vocab_file=vocab_file,
    )


def test_a_vocabulary_of_another_size_is_refused(flags, vocab_file):
    with open(vocab_file, "a", encoding="utf-8") as handle:
        handle.write("새말\n")
    with pytest.raises(UserError, match="has 41 tokens, .* embedding table 40 rows"):
        sources.load(flags)


@pytest.mark.parametrize(
    "flags",
    [
        SourceFlags(),
        SourceFlags(tf1_checkpoint="a/model.ckpt-1"),
        SourceFlags(model_dir="a", vocab_file="b"),
    ],
)
def test_a_source_is_named_in_one_way(flags):
    with pytest.raises(UserError, match="name either --model_dir"):
        sources.load(flags)


def test_sample_texts_hold_the_vocabularys_words(flags):
    trained = sources.load(flags)
    ids = {i for sample in trained.samples for i in sample["ids"]}
    assert ids == {vocabulary.UNK_ID, *range(5, tiny.VOCAB_SIZE)}
    assert trained.step == 20


@pytest.mark.parametrize("name", CONFIGS)
def test_the_originals_hparams_come_back(name):
    config = CONFIGS[name]
    hparams = tf1_config.original_hparams(config)
    assert config_lib.from_dict(hparams, "") == config
    assert not {"seed", "compute_dtype", "pack_documents"} & hparams.keys()


@pytest.mark.parametrize("with_optimizer", [True, False])
def test_what_is_exported_is_read_again(with_optimizer, flags, model, tmp_path):
    output_dir = tmp_path / "tf1"
    export(flags, str(output_dir), with_optimizer=with_optimizer)
    assert {path.name for path in output_dir.iterdir()} == {
        "checkpoint",
        "discriminator_config.json",
        "generator_config.json",
        "hparams.json",
        "model.ckpt-20.data-00000-of-00001",
        "model.ckpt-20.index",
        "vocab.txt",
    }
    prefix = tf.train.latest_checkpoint(str(output_dir))
    held = set(tf1_format.shapes(prefix))
    more = set(_slots(model)) | {"global_step"}
    assert held == set(model.named_variables) | (more if with_optimizer else set())
    again = SourceFlags(
        tf1_checkpoint=prefix,
        hparams=str(output_dir / "hparams.json"),
        vocab_file=str(output_dir / "vocab.txt"),
    )
    trained = sources.load(again)
    tiny.assert_bit_equal(_values(trained.model), _values(model))
    assert trained.step == 20
    if with_optimizer:
        tiny.assert_bit_equal(sources.read_slots(trained), _slots(model))
    else:
        with pytest.raises(UserError, match="has no optimizer state"):
            export(again, str(tmp_path / "more"), with_optimizer=True)
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
    model = _model(CONFIGS["masked LM"])
    trained = sources.Trained(model, vocab_file, [], "", 3)
    tensors = tf1_checkpoint.content(trained, style).tensors
    assert {name.split("/")[0] for name in tensors} == found
    assert len(tensors) == len(model.named_variables)


@pytest.mark.parametrize(
    "name", ["small-like", "base-like", "ratio 1.0", "tied", "masked LM"]
)
def test_exported_folders_come_back(name, vocab_file, tmp_path):
    model = _model(CONFIGS[name])
    hf_folder.write_folders(model, vocab_file, str(tmp_path / "hf"))
    trained = sources.load(SourceFlags(hf_dir=str(tmp_path / "hf")))
    tiny.assert_bit_equal(_values(trained.model), _values(model))
    found = parameter_names.networks(trained.model.config)
    assert found == parameter_names.networks(model.config)
    assert trained.model.config.max_seq_length == tiny.LENGTH
    with pytest.raises(UserError, match="folders hold no optimizer state"):
        sources.read_slots(trained)


@pytest.mark.parametrize(
    "kind", [parameter_names.DISCRIMINATOR, parameter_names.GENERATOR]
)
def test_one_exported_folder_can_be_read(kind, model, vocab_file, tmp_path):
    hf_folder.write_folders(model, vocab_file, str(tmp_path / "hf"), kind)
    source = SourceFlags(hf_dir=str(tmp_path / "hf"))
    with pytest.raises(
        UserError, match=rf"missing\); --only={kind} converts the {kind}$"
    ):
        sources.load(source)
    read = _values(sources.load(source, kind).model)
    network = parameter_names.network_variables(model.config, kind)
    for name in filter(network.match, _values(model)):
        np.testing.assert_array_equal(read[name], _values(model)[name])


def test_other_names_are_for_masked_lms_alone(flags, tmp_path):
    with pytest.raises(UserError, match="--names=bert is for masked LMs"):
        export(flags, str(tmp_path / "tf1"), "bert")
    assert not (tmp_path / "tf1").exists()
