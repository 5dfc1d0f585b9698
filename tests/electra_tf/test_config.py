"""Presets, the original's JSON, derived sizes, and what is refused with which words."""

import dataclasses
import json
import math

import pytest
from helpers import ROOT, tiny

from common.errors import UserError
from electra_tf import config as config_lib
from electra_tf import config_files

PRESETS = sorted(ROOT.glob("configs/*.toml"))


def build(**values):
    return config_lib.from_dict(values, "here")


@pytest.fixture
def preset(tmp_path) -> str:
    path = tmp_path / "preset.toml"
    path.write_text('model_size = "small"\nlearning_rate = 1e-3\n')
    return str(path)


def test_there_are_presets():
    assert PRESETS


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_preset_loads(path):
    config = config_files.load(str(path))
    assert config.max_predictions_per_seq >= 1
    assert config.num_warmup_steps < config.num_train_steps


# heads, intermediate and embedding size, and the generator's hidden size and heads
@pytest.mark.parametrize(
    ("size", "share", "hidden", "layers", "derived", "generator"),
    [
        ("small", 0.25, 256, 12, (4, 1024, 128), (64, 1)),
        ("small", 1.0, 256, 12, (4, 1024, 128), (256, 4)),
        ("base", 0.33333, 768, 12, (12, 3072, 768), (256, 4)),
        ("large", 0.25, 1024, 24, (16, 4096, 1024), (256, 4)),
    ],
)
def test_sizes_are_those_of_the_reference(
    size, share, hidden, layers, derived, generator
):
    config = build(model_size=size, generator_hidden_size=share)
    full, small = config.discriminator(), config.generator()
    assert (full.hidden_size, full.num_hidden_layers) == (hidden, layers)
    heads, inner = full.num_attention_heads, full.intermediate_size
    assert (heads, inner, config.resolved_embedding_size) == derived
    assert (small.hidden_size, small.num_attention_heads) == generator
    assert small.intermediate_size == 4 * small.hidden_size
    assert small.num_hidden_layers == layers


def test_generator_layers_are_a_share_of_the_layers():
    assert build(generator_layers=0.5).generator().num_hidden_layers == 6


def test_overrides_change_any_field_of_the_transformer():
    full = build(
        model_hparam_overrides={"hidden_size": 128, "hidden_dropout_prob": 0.2}
    ).discriminator()
    assert (full.hidden_size, full.num_attention_heads) == (128, 2)
    assert (full.intermediate_size, full.hidden_dropout_prob) == (512, 0.2)


def test_defaults_are_the_originals():
    config = build()
    assert (config.gen_weight, config.disc_weight) == (1.0, 50.0)
    assert (config.learning_rate, config.weight_decay_rate) == (5e-4, 0.01)
    assert (config.num_warmup_steps, config.num_train_steps) == (10_000, 1_000_000)
    assert config.untied_generator and not config.untied_generator_embeddings
    full = config.discriminator()
    assert (full.hidden_dropout_prob, full.attention_probs_dropout_prob) == (0.1, 0.1)
    assert (full.max_position_embeddings, full.type_vocab_size) == (512, 2)


@pytest.mark.parametrize(
    ("mask_prob", "length", "slots"),
    [(0.15, 128, 19), (0.15, 512, 79), (0.25, 512, 130), (0.999, 512, 512)],
)
def test_number_of_slots(mask_prob, length, slots):
    config = build(mask_prob=mask_prob, max_seq_length=length)
    assert config.max_predictions_per_seq == slots


def test_stated_number_of_slots_must_be_the_derived_one():
    assert build(max_predictions_per_seq=19) == build()
    with pytest.raises(UserError, match="max_predictions_per_seq=20.*it is 19"):
        build(max_predictions_per_seq=20)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("learning_rat", "learning_rate"),
        ("train_batchsize", "train_batch_size"),
        ("generator_hidden", "generator_hidden_size"),
    ],
)
def test_unknown_name_gets_the_nearest_one(wrong, right):
    with pytest.raises(UserError) as error:
        build(**{wrong: 1})
    hint = str(error.value).split("All names")[0]
    assert wrong in hint and "did you mean" in hint and right in hint


def test_unknown_override_gets_the_nearest_one():
    with pytest.raises(UserError, match="hiden_size.*did you mean.*hidden_size"):
        build(model_hparam_overrides={"hiden_size": 64})


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": "5e-4"},
        {"learning_rate": True},
        {"num_train_steps": 10.5},
        {"num_train_steps": True},
        {"num_train_steps": "100"},
        {"electra_objective": 1},
        {"model_size": 3},
        {"model_hparam_overrides": [1]},
        {"learning_rate": None},
        {"disallow_correct": None},
    ],
    ids=str,
)
def test_wrong_type_is_refused_by_name(wrong):
    with pytest.raises(UserError, match=f"here: {next(iter(wrong))}="):
        build(**wrong)


def test_whole_numbers_may_be_written_either_way():
    config = build(learning_rate=1, num_train_steps=1e5)
    assert type(config.learning_rate) is float
    assert type(config.num_train_steps) is int
    assert config.num_train_steps == 100_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"train_batch_size": 0},
        {"num_train_steps": -1},
        {"iterations_per_loop": 0},
        {"save_checkpoints_steps": 0},
        {"temperature": 0.0},
        {"temperature": 1e-30},
        {"gen_weight": -1.0},
        {"disc_weight": -50.0},
        {"generator_hidden_size": 0.0},
        {"generator_layers": -1.0},
        {"lr_decay_power": 0.0},
        {"learning_rate": -1e-4},
        {"weight_decay_rate": -0.1},
        {"num_warmup_steps": -1},
        {"keep_checkpoint_max": -1},
        {"keep_checkpoint_every_n_steps": -1},
        {"save_checkpoints_minutes": -0.5},
        {"eval_every_n_steps": -1},
        {"gradient_accumulation_steps": 0},
        {"compute_dtype": "float16"},
        {"mask_prob": 0.0},
        {"mask_prob": 1.0},
        {"model_size": "tiny"},
        {"two_tower_generator": True},
        {"electric_objective": True},
    ],
    ids=str,
)
def test_value_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        build(**wrong)


@pytest.mark.parametrize("name", ["learning_rate", "temperature", "disc_weight"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_must_be_finite(name, value):
    with pytest.raises(UserError, match=name):
        build(**{name: value})


def test_minutes_may_replace_steps_between_saves():
    config = build(save_checkpoints_steps=0, save_checkpoints_minutes=30)
    assert config.save_checkpoints_minutes == 30.0


def test_too_short_rows_to_mask_anything_are_refused():
    with pytest.raises(UserError, match="max_seq_length"):
        build(max_seq_length=6)


@pytest.mark.parametrize(
    "overrides",
    [
        {"hidden_size": 100, "num_attention_heads": 3},
        {"hidden_act": "relu"},
        {"hidden_dropout_prob": 1.0},
        {"hidden_dropout_prob": 0.999999},
        {"attention_probs_dropout_prob": -0.1},
        {"attention_probs_dropout_prob": 1e-6},
        {"initializer_range": 0.0},
        {"initializer_range": -0.02},
        {"vocab_size": -1},
        {"num_attention_heads": 0},
        {"hidden_size": 0},
        {"hidden_size": "big"},
        {"num_hidden_layers": -1},
    ],
    ids=str,
)
def test_bad_override_is_refused_by_name(overrides):
    with pytest.raises(UserError, match=list(overrides)[-1]):
        build(model_hparam_overrides=overrides)


def test_generator_without_width_is_refused():
    with pytest.raises(UserError, match="generator_hidden_size|hidden_size"):
        build(generator_hidden_size=0.001)


def test_rows_longer_than_the_positions_are_refused():
    with pytest.raises(UserError, match="max_seq_length=513.*embeddings=512"):
        build(max_seq_length=513)
    longer = build(
        max_seq_length=513, model_hparam_overrides={"max_position_embeddings": 513}
    )
    assert longer.max_seq_length == 513


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        build().learning_rate = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        build().discriminator().hidden_size = 1


@pytest.mark.parametrize("written", [None, 0])
def test_keep_checkpoint_max_none_keeps_all(written):
    assert build(keep_checkpoint_max=written).keep_checkpoint_max == 0


def test_dictionary_round_trip():
    config = tiny.config(seed=3)
    assert config_lib.from_dict(config.to_dict(), "again") == config
    assert config_lib.from_dict(json.loads(json.dumps(config.to_dict())), "") == config


ORIGINAL = {
    "model_name": "electra_small_owt",
    "use_tpu": True,
    "num_tpu_cores": 8,
    "tpu_name": "my-tpu",
    "tpu_zone": None,
    "gcp_project": None,
    "tpu_job_name": None,
    "vocab_file": "gs://bucket/vocab.txt",
    "do_lower_case": False,
    "do_train": True,
    "do_eval": False,
    "debug": False,
    "vocab_size": 35000,
    "model_size": "small",
    "model_hparam_overrides": {},
    "embedding_size": None,
    "learning_rate": 0.0002,
    "train_batch_size": 512,
    "keep_checkpoint_max": None,
    "generator_hidden_size": 1.0,
    "max_predictions_per_seq": 19,
}


def check_original(config):
    assert (config.vocab_size, config.train_batch_size) == (35000, 512)
    assert (config.learning_rate, config.keep_checkpoint_max) == (2e-4, 0)
    assert config.resolved_embedding_size == 128


def test_originals_json_loads_inline(preset):
    check_original(config_files.load(preset, json.dumps(ORIGINAL)))


def test_originals_json_loads_from_a_file(preset, tmp_path):
    path = tmp_path / "hparams.json"
    path.write_text("\n  " + json.dumps(ORIGINAL, indent=2))
    check_original(config_files.load(preset, str(path)))


def test_hparams_change_the_preset_and_leave_the_rest(preset):
    config = config_files.load(preset, '{"train_batch_size": 4}')
    assert (config.train_batch_size, config.learning_rate) == (4, 1e-3)


def test_a_warm_up_that_never_ends_is_warned_of(preset, caplog):
    caplog.set_level("WARNING", logger="absl")
    config_files.load(preset, '{"num_train_steps": 20000}')
    assert caplog.text == ""
    config_files.load(preset, '{"num_train_steps": 10000}')
    assert "num_warmup_steps=10000" in caplog.text
    assert "num_train_steps=10000" in caplog.text


def test_hparams_neither_json_nor_file(preset):
    with pytest.raises(UserError, match="nowhere.json.*neither a JSON object nor"):
        config_files.load(preset, "nowhere.json")


@pytest.mark.parametrize("text", ["{'a': 1}", '{"seed": 1', "{seed=1}"])
def test_broken_json_is_refused(preset, text):
    with pytest.raises(UserError, match="--hparams is not JSON"):
        config_files.load(preset, text)


def test_json_file_that_holds_no_object_is_refused(preset, tmp_path):
    path = tmp_path / "hparams.json"
    path.write_text("[1, 2]")
    with pytest.raises(UserError, match="must be a JSON object"):
        config_files.load(preset, str(path))


def test_missing_preset_is_refused(tmp_path):
    with pytest.raises(UserError, match="none.toml does not exist"):
        config_files.load(str(tmp_path / "none.toml"))


def test_preset_that_is_not_toml_is_refused(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("learning_rate: 1")
    with pytest.raises(UserError, match="broken.toml is not TOML"):
        config_files.load(str(path))


def test_the_blame_goes_to_where_the_mistake_is(preset, tmp_path):
    with pytest.raises(UserError, match="--hparams: seed="):
        config_files.load(preset, '{"seed": "one"}')
    bad = tmp_path / "bad.toml"
    bad.write_text('seed = "one"')
    with pytest.raises(UserError, match="bad.toml: seed="):
        config_files.load(str(bad), '{"seed": 1}')
