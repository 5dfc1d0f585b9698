"""Trained networks read back: by their shapes, refused in words, one or all."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
from helpers import damage, tiny
from helpers.originals import (
    CONFIGS,
    LENGTH,
    STATED,
    make_model,
    slots,
    values,
    write,
    write_vocabulary,
)

from common.errors import UserError
from data_prep.vocab import vocabulary
from electra_tf.export import hf_folder, trained
from electra_tf.export.flags import TrainedModel
from electra_tf.pretrain.input_pipeline import Records
from electra_tf.run_folder import checkpoints, description
from electra_tf.weights import parameter_names


def read_model(prefix: str, hparams: dict, only: str = ""):
    """The networks of a checkpoint of the original."""
    flags = TrainedModel(
        tf1_checkpoint=prefix,
        hparams=json.dumps(hparams),
        vocab_file=write_vocabulary(pathlib.Path(prefix).parent),
    )
    return trained.load(flags, only).model


@pytest.mark.parametrize("name", CONFIGS)
def test_shapes_say_every_size(name, tmp_path):
    model = make_model(CONFIGS[name])
    prefix = write(tmp_path, model)
    read = read_model(prefix, LENGTH | STATED.get(name, {}))
    tiny.assert_bit_equal(values(read), values(model))
    assert list(parameter_names.networks(read.config)) == list(
        parameter_names.networks(model.config)
    )
    for kind, made in parameter_names.networks(model.config).items():
        found = parameter_names.networks(read.config)[kind]
        assert dataclasses.replace(found, num_attention_heads=1) == (
            dataclasses.replace(made, num_attention_heads=1)
        )


def test_adam_slots_and_the_step_are_left_aside(model, tmp_path):
    more = slots(model) | {"global_step": np.int64(7)}
    prefix = write(tmp_path, model, **more)
    read = read_model(prefix, LENGTH)
    tiny.assert_bit_equal(values(read), values(model))


def test_heads_are_the_hparams_or_else_by_the_originals_rule(model, tmp_path):
    prefix = write(tmp_path, model)
    by_rule = read_model(prefix, LENGTH).config.discriminator()
    assert by_rule.num_attention_heads == 1
    said = LENGTH | STATED["small-like"]
    read = read_model(prefix, said).config.discriminator()
    assert read.num_attention_heads == 2
    said = LENGTH | {"model_hparam_overrides": {"num_attention_heads": 3}}
    with pytest.raises(UserError, match="hidden_size 32 is not a multiple of num_att"):
        read_model(prefix, said)


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
        (
            {"untied_generator": False},
            "variables that belong to no network: generator/",
        ),
        ({"untied_generator_embeddings": True}, "generator/embeddings/.* is missing"),
        ({"uniform_generator": True}, "belong to no network: generator/"),
        ({"electra_objective": False, "embedding_size": 16}, "as wide as its hidden"),
        ({"electric_objective": True}, "no class for the electric objective"),
        ({"hidden_dropout": 0.1}, "no hyperparameter is called 'hidden_dropout'"),
    ],
)
def test_hparams_that_say_otherwise_are_refused(hparams, words, model, tmp_path):
    prefix = write(tmp_path, model)
    with pytest.raises(UserError, match=words):
        read_model(prefix, LENGTH | hparams)


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
        (GENERATOR_ALONE, parameter_names.DISCRIMINATOR, "hold no discriminator"),
        ("generator_predictions/dense/bias", "", "dense/bias is missing"),
        ("electra/encoder/layer_1/output/dense/kernel", "", "kernel is missing"),
        (
            "electra/encoder/layer_0/intermediate",
            "",
            "electra/ do not show the intermediate_size",
        ),
        ("electra/embeddings/word", "", "generator/ do not show the vocab_size"),
        (".*_predictions", "", "hold no discriminator"),
    ],
)
def test_what_is_missing_is_named(drop, only, words, model, tmp_path):
    prefix = write(tmp_path, model, drop)
    with pytest.raises(UserError, match=words):
        read_model(prefix, LENGTH, only)


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
    prefix = write(tmp_path, model, drop)
    hparams = LENGTH | {"model_hparam_overrides": {"num_attention_heads": 1}}
    read = read_model(prefix, hparams, only)
    network = parameter_names.network_variables(read.config, only)
    found, made = values(read), values(model)
    wanted = {name for name in made if network.match(name)}
    assert wanted and wanted <= found.keys()
    for name in wanted:
        np.testing.assert_array_equal(found[name], made[name])


def test_a_variable_that_no_network_takes_is_refused(model, tmp_path):
    prefix = write(tmp_path, model, **{"electra/pooler/dense/bias": np.zeros(3)})
    with pytest.raises(UserError, match="1 variables .*: electra/pooler/dense/bias"):
        read_model(prefix, LENGTH)


def _cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("ending", [".data-00000-of-00001", ".index"])
@pytest.mark.parametrize("damage", [_cut, pathlib.Path.unlink])
def test_a_damaged_file_is_refused_in_words(ending, damage, model, tmp_path):
    prefix = write(tmp_path, model)
    damage(pathlib.Path(prefix + ending))
    with pytest.raises(UserError, match="model.ckpt-20 cannot be read: .*copy both"):
        read_model(prefix, LENGTH)


def test_a_vocabulary_of_another_size_is_refused(flags, vocab_file):
    with open(vocab_file, "a", encoding="utf-8") as handle:
        handle.write("새말\n")
    with pytest.raises(UserError, match="has 41 tokens, .* embedding table 40 rows"):
        trained.load(flags)


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"tf1_checkpoint": "a/model.ckpt-1"},
        {"model_dir": "a", "vocab_file": "b"},
    ],
)
def test_a_model_is_named_in_one_way(flags):
    with pytest.raises(UserError, match="name the model in one way: --model_dir"):
        TrainedModel(**flags)


def test_folders_with_a_file_cut_short_are_refused(exported, tmp_path):
    def read(folder: str) -> None:
        trained.load(TrainedModel(hf_dir=folder))

    names = {"config.json", "model.safetensors", "tokenizer.json"}
    of_both = {"tokenizer_config.json", "vocab.txt"}  # the discriminator's are read
    assert damage.refused(exported, tmp_path, read) == {
        *(f"discriminator/{name}" for name in names | of_both),
        *(f"generator/{name}" for name in names),
    }


def test_files_of_the_original_that_are_cut_short_are_refused(model, tmp_path):
    folder = tmp_path / "original"
    folder.mkdir()
    write(folder, model)
    write_vocabulary(folder)
    hparams = LENGTH | STATED["small-like"]
    (folder / "hparams.json").write_text(json.dumps(hparams), "utf-8")

    def read(cut: str) -> None:
        prefix, hparams = f"{cut}/model.ckpt-20", f"{cut}/hparams.json"
        trained.load(TrainedModel("", None, "", prefix, hparams, f"{cut}/vocab.txt"))

    every = {path.name for path in folder.iterdir()}
    assert damage.refused(folder, tmp_path, read) == every


def test_sample_texts_hold_the_vocabularys_words(flags):
    loaded = trained.load(flags)
    ids = {i for sample in loaded.samples for i in sample["ids"]}
    assert ids == {vocabulary.UNK_ID, *range(5, tiny.VOCAB_SIZE)}
    assert loaded.step == 20


@pytest.mark.parametrize(
    "name", ["small-like", "base-like", "ratio 1.0", "tied", "masked LM"]
)
def test_exported_folders_come_back(name, vocab_file, tmp_path):
    model = make_model(CONFIGS[name])
    hf_folder.write_folders(model, vocab_file, str(tmp_path / "hf"))
    loaded = trained.load(TrainedModel(hf_dir=str(tmp_path / "hf")))
    tiny.assert_bit_equal(values(loaded.model), values(model))
    found = parameter_names.networks(loaded.model.config)
    assert found == parameter_names.networks(model.config)
    assert loaded.model.config.max_seq_length == tiny.LENGTH
    with pytest.raises(UserError, match="folders hold no optimizer state"):
        trained.read_slots(loaded)


@pytest.mark.parametrize(
    "kind", [parameter_names.DISCRIMINATOR, parameter_names.GENERATOR]
)
def test_one_exported_folder_can_be_read(kind, model, vocab_file, tmp_path):
    hf_folder.write_folders(model, vocab_file, str(tmp_path / "hf"), kind)
    source = TrainedModel(hf_dir=str(tmp_path / "hf"))
    with pytest.raises(
        UserError, match=rf"missing\); --only={kind} converts the {kind}$"
    ):
        trained.load(source)
    read = values(trained.load(source, kind).model)
    network = parameter_names.network_variables(model.config, kind)
    for name in filter(network.match, values(model)):
        np.testing.assert_array_equal(read[name], values(model)[name])


@pytest.fixture
def finished(untrained, data_dir, tmp_path) -> pathlib.Path:
    """A run with two checkpoints."""
    config = untrained.config
    found = Records(str(data_dir), config).manifest
    folder = tmp_path / "finished"
    description.open_run(str(folder), str(data_dir), config, found)
    for step in (1, 2):
        tiny.set_random_values(untrained.checkpoint_variables, seed=step)
        checkpoints.save(str(folder), step, untrained.checkpoint_variables, 5)
    return folder


@pytest.mark.parametrize(("step", "found"), [(None, 2), (1, 1)])
def test_model_of_a_run_is_loaded(finished, untrained, step, found):
    loaded = trained.load_run(str(finished), step)
    exported = dataclasses.replace(untrained.config, compute_dtype="float32")
    assert loaded.step == found and loaded.model.config == exported
    tiny.set_random_values(untrained.checkpoint_variables, seed=found)
    for name, variable in untrained.model.named_variables.items():
        assert np.array_equal(loaded.model.named_variables[name], variable), name


def test_step_that_is_not_there_is_refused(finished):
    with pytest.raises(UserError, match=r"no checkpoint 3; it has \[1, 2\]"):
        trained.load_run(str(finished), 3)


def test_changed_vocabulary_is_refused(finished):
    path = finished / "vocab.txt"
    path.write_text(path.read_text() + "힣\n")
    with pytest.raises(
        UserError, match="vocab.txt .* is not the vocabulary of the run"
    ):
        trained.load_run(str(finished))


def test_model_of_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="config.json does not exist"):
        trained.load_run(str(tmp_path))
