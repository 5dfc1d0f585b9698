"""New runs from weights: what is taken, what is made anew, what is refused."""

import json
import logging
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from data_prep.vocab import vocabulary
from electra_tf.config import PretrainingConfig
from electra_tf.export import hf_folder
from electra_tf.optimizer import AdamWeightDecay
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.run_folder import checkpoints, description
from electra_tf.weights import initialise, read, vocabulary_match

TABLE = "electra/embeddings/word_embeddings"
POSITIONS = "electra/embeddings/position_embeddings"


def values_of(model: PretrainingModel) -> dict[str, np.ndarray]:
    return {name: v.numpy() for name, v in model.named_variables.items()}


def begin(
    *paths: pathlib.Path,
    config: PretrainingConfig | None = None,
    tokens: list[str] | None = None,
    vocab_path: pathlib.Path | None = None,
    step: int | None = None,
):
    """(values of a new run's variables, what happened) from weights at the paths."""
    config = config or tiny.config()
    model = PretrainingModel(config)
    weights = read.read([str(path) for path in paths], str(vocab_path or ""), step)
    tokens = tokens or tiny.tokens(config.vocab_size)
    variables = model.named_variables
    report = initialise.initialise(variables, weights, config, tokens)
    return values_of(model), report


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]):
    assert found.keys() == expected.keys()
    assert [n for n in found if not np.array_equal(found[n], expected[n])] == []


def write_checkpoint(
    folder: pathlib.Path, config: PretrainingConfig, variables: dict[str, tf.Variable]
) -> str:
    """As the original leaves them: slots, hparams.json, and the vocabulary."""
    folder.mkdir()
    slots = AdamWeightDecay(variables, 0.01).named_slots
    checkpoints.save(str(folder), 20, variables | slots, keep_max=0)
    vocabulary.save(str(folder), tiny.tokens())
    hparams = config.to_dict() | {"model_name": "mine", "vocab_size": 0}
    (folder / "hparams.json").write_text(json.dumps(hparams))
    return checkpoints.prefix(str(folder), 20)


def write_run(folder: pathlib.Path, data_dir: pathlib.Path, model, steps) -> None:
    names = ("vocab_size", "vocab_sha256", "recipe", "recipe_hash", "seed", "counts")
    manifest = json.loads((data_dir / "tfrecords" / "manifest.json").read_text())
    data = {name: manifest[name] for name in names}
    description.open_run(str(folder), str(data_dir), model.config, data)
    for step in steps:
        checkpoints.save(str(folder), step, model.named_variables, keep_max=0)


@pytest.fixture(scope="module")
def vocab_file(data_dir) -> str:
    return str(data_dir / "tfrecords" / vocabulary.VOCAB_FILE)


@pytest.fixture(scope="module")
def exported(model, vocab_file, tmp_path_factory) -> pathlib.Path:
    """discriminator/ and generator/ of `model`. Read-only."""
    folder = tmp_path_factory.mktemp("exported")
    hf_folder.write_folders(model, vocab_file, str(folder))
    return folder


@pytest.fixture
def pair(exported, tmp_path) -> pathlib.Path:
    """A copy of it that a test may damage."""
    return pathlib.Path(shutil.copytree(exported, tmp_path / "pair"))


def edit_config(folder: pathlib.Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_pair_of_folders_gives_every_variable(exported, model, caplog):
    with caplog.at_level(logging.INFO, logger="absl"):
        found, report = begin(exported)
    assert_equal(found, values_of(model))
    assert report.loaded == sorted(found)
    assert not report.fresh and not report.unused
    assert f"{len(found)} variables loaded, 0 fresh, 0 unused" in caplog.text
    assert "the same 40 tokens, with the same ids" in caplog.text


def test_two_folders_may_be_named_in_any_order(exported, model):
    found, _ = begin(exported / "generator", exported / "discriminator")
    assert_equal(found, values_of(model))


@pytest.mark.parametrize("changes", [{}, {"untied_generator_embeddings": True}])
def test_a_checkpoint_gives_weights_but_neither_slots_nor_step(changes, tmp_path):
    trained = PretrainingModel(tiny.config(**changes))
    tiny.set_random_values(trained.named_variables, seed=3)
    prefix = write_checkpoint(tmp_path / "tf1", trained.config, trained.named_variables)
    found, report = begin(prefix, config=tiny.config(**changes))
    assert_equal(found, values_of(trained))
    assert not report.unused


def test_a_run_gives_its_newest_checkpoint_or_the_one_asked_for(
    model, data_dir, tmp_path
):
    early = PretrainingModel(model.config)
    write_run(tmp_path / "run", data_dir, early, [5])
    checkpoints.save(str(tmp_path / "run"), 9, model.named_variables, keep_max=0)
    assert_equal(begin(tmp_path / "run")[0], values_of(model))
    assert_equal(begin(tmp_path / "run", step=5)[0], values_of(early))
    with pytest.raises(UserError, match=r"no checkpoint 7; it has \[5, 9\]"):
        begin(tmp_path / "run", step=7)
    vocabulary.save(str(tmp_path), tiny.tokens()[::-1])
    with pytest.raises(
        UserError, match="vocab.txt .* is not the vocabulary of the run"
    ):
        begin(tmp_path / "run", vocab_path=tmp_path / "vocab.txt")


def test_step_is_of_a_run_alone(exported):
    with pytest.raises(UserError, match="--init_step=3 needs a run's folder"):
        begin(exported, step=3)


def test_missing_generator_is_a_new_one_on_shared_embeddings(exported, model, caplog):
    fresh = values_of(PretrainingModel(tiny.config()))
    with caplog.at_level(logging.WARNING, logger="absl"):
        found, report = begin(exported / "discriminator")
    for name, value in values_of(model).items():
        is_generators = name.startswith(("generator/", "generator_predictions/"))
        assert (name in report.fresh) == is_generators
        np.testing.assert_array_equal(
            found[name], fresh[name] if is_generators else value
        )
    assert "holds no generator: it begins" in caplog.text
    assert "holds no generator_predictions" in caplog.text


def test_a_generator_alone_is_refused(exported):
    with pytest.raises(UserError, match="holds only a generator"):
        begin(exported / "generator")


def test_two_of_a_kind_are_refused(exported):
    with pytest.raises(UserError, match="both generators, or both discriminators"):
        begin(exported / "discriminator", exported / "discriminator")


def test_embeddings_of_its_own_begin_as_the_shared_ones(exported, model):
    config = tiny.config(untied_generator_embeddings=True)
    found, report = begin(exported, config=config)
    assert not report.fresh
    np.testing.assert_array_equal(
        found["generator/embeddings/word_embeddings"], values_of(model)[TABLE]
    )


def test_copies_that_differ_give_way_to_the_discriminators(pair, model, caplog):
    other = PretrainingModel(model.config)
    tiny.set_random_values(other.named_variables)
    word = other.electra.embeddings.word
    word.assign_add(0.25 * tf.ones_like(word))
    hf_folder.write_folders(other, str(pair / "discriminator/vocab.txt"), f"{pair}2")
    with caplog.at_level(logging.WARNING, logger="absl"):
        found, _ = begin(pair / "discriminator", f"{pair}2/generator")
    assert_equal(found, values_of(model))
    assert "embeddings/word_embeddings by up to 0.25" in caplog.text


def test_one_encoder_for_both_objectives_keeps_its_masked_lm_head(vocab_file, tmp_path):
    config = tiny.config(untied_generator=False)
    tied = PretrainingModel(config)
    tiny.set_random_values(tied.named_variables)
    hf_folder.write_folders(tied, vocab_file, str(tmp_path / "hf"))
    found, report = begin(tmp_path / "hf", config=config)
    assert_equal(found, values_of(tied))
    assert not report.unused


def test_a_generator_alone_is_the_encoder_of_a_run_with_only_one(vocab_file, tmp_path):
    config = tiny.config(untied_generator=False)
    tied = PretrainingModel(config)
    tiny.set_random_values(tied.named_variables)
    hf_folder.write_folders(tied, vocab_file, str(tmp_path / "hf"))
    found, report = begin(tmp_path / "hf" / "generator", config=config)
    assert {n.split("/")[0] for n in report.fresh} == {"discriminator_predictions"}
    for name in report.loaded:
        np.testing.assert_array_equal(found[name], values_of(tied)[name])


def test_a_masked_lm_head_is_not_taken_with_another_encoder(exported):
    config = tiny.config(untied_generator=False)
    _, report = begin(exported, config=config)
    assert report.fresh == sorted(report.fresh)
    assert {name.split("/")[0] for name in report.fresh} == {"generator_predictions"}


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(range(5, 60)), unique=True, max_size=40),
    st.lists(st.sampled_from(range(5, 60)), unique=True, max_size=40),
)
def test_rows_follow_their_tokens(theirs, ours):
    their_tokens, our_tokens = (
        (*vocabulary.SPECIAL_TOKENS, *map(str, chosen)) for chosen in (theirs, ours)
    )
    table = np.arange(2.0 * len(their_tokens)).reshape(-1, 2)
    weights = read.Weights("x", {TABLE: table}, their_tokens, "")
    shared = vocabulary_match.match(weights, our_tokens)
    initial = np.full([len(our_tokens), 2], -1.0)
    found = vocabulary_match.fitted(TABLE, table, initial, shared)
    for token, row in zip(our_tokens, found, strict=True):
        known = token in their_tokens
        expected = table[their_tokens.index(token)] if known else [-1.0, -1.0]
        np.testing.assert_array_equal(row, expected)


def test_another_vocabulary_keeps_the_rows_of_shared_tokens(exported, model, caplog):
    tokens = [*vocabulary.SPECIAL_TOKENS, "새말", *tiny.tokens()[:19:-1]]
    config = tiny.config(vocab_size=len(tokens))
    with caplog.at_level(logging.WARNING, logger="absl"):
        found, report = begin(exported, config=config, tokens=tokens)
    assert not report.fresh
    assert "25 of 26 tokens keep their rows, 1 are new" in caplog.text
    assert "15 of the 40 there are left out" in caplog.text
    old = values_of(model)
    for name in (TABLE, "generator_predictions/output_bias"):
        np.testing.assert_array_equal(found[name][:5], old[name][:5])
        np.testing.assert_array_equal(found[name][6:], old[name][:19:-1])
    initial = values_of(PretrainingModel(config))
    np.testing.assert_array_equal(found[TABLE][5], initial[TABLE][5])
    assert found["generator_predictions/output_bias"][5] == 0.0


def test_padded_tables_and_other_vocabularies_are_told_apart(exported, caplog):
    folder = exported / "discriminator"
    tokens = read.read([str(folder)]).tokens
    table = np.zeros([len(tokens) + 24, 16], np.float32)
    padded = read.Weights("x", {TABLE: table}, tokens, "")
    with caplog.at_level(logging.WARNING, logger="absl"):
        vocabulary_match.match(padded, tiny.tokens())
    assert "the last 24 rows of the embedding table belong to no token" in caplog.text
    for size in (39, 40 + 128):
        table = np.zeros([size, 16], np.float32)
        wrong = read.Weights("x", {TABLE: table}, tokens, "")
        with pytest.raises(UserError, match=f"40 tokens, the embedding table {size}"):
            vocabulary_match.match(wrong, tiny.tokens())


def test_the_vocabulary_must_be_known_and_of_berts_kind(model, tmp_path):
    prefix = write_checkpoint(tmp_path / "tf1", model.config, model.named_variables)
    for name in ("vocab.txt", "tokenizer.json"):
        (tmp_path / "tf1" / name).rename(tmp_path / name)
    with pytest.raises(UserError, match="neither tokenizer.json nor vocab.txt"):
        begin(prefix)
    found, _ = begin(prefix, vocab_path=tmp_path / "vocab.txt")
    assert_equal(found, values_of(model))
    roberta = tmp_path / "other.txt"
    roberta.write_text("\n".join(["<s>", "</s>", *tiny.tokens()[2:]]) + "\n")
    with pytest.raises(UserError, match=r"has no \[PAD\] \[UNK\]"):
        begin(prefix, vocab_path=roberta)


def test_more_positions_keep_the_first_rows(exported, model):
    config = tiny.config({"max_position_embeddings": 50})
    found, _ = begin(exported, config=config)
    np.testing.assert_array_equal(found[POSITIONS][:32], values_of(model)[POSITIONS])
    initial = values_of(PretrainingModel(config))[POSITIONS]
    np.testing.assert_array_equal(found[POSITIONS][32:], initial[32:])


def test_positions_are_left_out_only_if_the_config_says_how_many(model, tmp_path):
    found, _ = begin(
        write_checkpoint(tmp_path / "tf1", model.config, model.named_variables),
        config=tiny.config({"max_position_embeddings": 20}),
    )
    np.testing.assert_array_equal(found[POSITIONS], values_of(model)[POSITIONS][:20])
    long = PretrainingModel(tiny.config({"max_position_embeddings": 600}))
    overrides = dict(model.config.model_hparam_overrides)
    del overrides["max_position_embeddings"]
    config = PretrainingConfig(
        **{**model.config.to_dict(), "model_hparam_overrides": overrides}
    )
    with pytest.raises(UserError, match="has 600 positions, the config has the defau"):
        begin(
            write_checkpoint(tmp_path / "long", long.config, long.named_variables),
            config=config,
        )


@pytest.mark.parametrize(
    "config, message",
    [
        (tiny.config({"hidden_size": 64}), "electra .*hidden_size: 32 there, 64"),
        (tiny.config({"num_hidden_layers": 3}), "num_hidden_layers: 2 there, 3"),
        (tiny.config({"num_attention_heads": 4}), "num_attention_heads: 2 there, 4"),
        (tiny.config({"intermediate_size": 64}), "intermediate_size: 128 there, 64"),
        (tiny.config({"type_vocab_size": 3}), "type_vocab_size: 2 there, 3"),
        (tiny.config(embedding_size=32), "embedding_size: 16 there, 32"),
        (
            tiny.config(generator_hidden_size=0.25),
            "generator .*hidden_size: 16 there, 8.*for a new generator",
        ),
        (tiny.config(generator_layers=0.5), "generator .*layers: 2 there, 1"),
    ],
)
def test_another_network_is_refused_by_field(config, message, exported):
    with pytest.raises(UserError, match=message):
        begin(exported, config=config)


def test_heads_that_are_not_stored_are_the_originals(model, tmp_path):
    prefix = write_checkpoint(tmp_path / "tf1", model.config, model.named_variables)
    (tmp_path / "tf1" / "hparams.json").unlink()
    with pytest.raises(UserError, match="num_attention_heads: 1 there, 2 by") as error:
        begin(prefix)
    assert "hparams.json" in str(error.value)
    usual = tiny.config({"num_attention_heads": 1})
    assert_equal(begin(prefix, config=usual)[0], values_of(model))


def test_what_no_shape_shows_is_read_from_the_config(pair, model, caplog):
    folder = pair / "discriminator"
    edit_config(folder, hidden_act="gelu_new", layer_norm_eps=1e-5)
    with caplog.at_level(logging.WARNING, logger="absl"):
        begin(folder)
    assert "was trained with gelu_new" in caplog.text
    assert "layer_norm_eps of the electra is 1e-05" in caplog.text
    edit_config(folder, position_embedding_type="relative_key")
    with pytest.raises(UserError, match="'relative_key', not 'absolute'"):
        begin(folder)
    edit_config(folder, hidden_act="relu")
    with pytest.raises(UserError, match="hidden_act of the electra is 'relu'"):
        begin(folder)
    edit_config(folder, hidden_act="gelu", intermediate_size=256)
    with pytest.raises(UserError, match="intermediate_size: 256 there, 128 by the we"):
        begin(folder)


def test_folders_of_two_vocabularies_are_no_pair(pair):
    folder = pair / "generator"
    (folder / "tokenizer.json").unlink()
    tokens = [*tiny.tokens()[:-1], "x"]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    with pytest.raises(UserError, match="different vocabularies: they are not a pair"):
        begin(pair)


def test_a_place_without_weights_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nothing"):
        with pytest.raises(UserError, match="not a checkpoint .*not a run's folder"):
            begin(path)


@pytest.mark.parametrize(
    "missing, message",
    [
        ("electra/encoder/layer_1/output/dense/bias", "electra is incomplete"),
        (POSITIONS, "electra is incomplete"),
        ("generator/encoder/layer_0/output/dense/bias", "generator is incomplete"),
        (
            "discriminator_predictions/dense/kernel",
            "discriminator_predictions is incom",
        ),
    ],
)
def test_parts_that_are_not_complete_are_refused(missing, message, model, tmp_path):
    variables = dict(model.named_variables)
    del variables[missing]
    prefix = write_checkpoint(tmp_path / "tf1", model.config, variables)
    with pytest.raises(UserError, match=message) as error:
        begin(prefix)
    assert missing in str(error.value)


def test_unused_weights_are_named_and_broken_ones_refused(model, tmp_path, caplog):
    more = model.named_variables | {"task/bias": tf.Variable(tf.ones([3]))}
    prefix = write_checkpoint(tmp_path / "more", model.config, more)
    with caplog.at_level(logging.INFO, logger="absl"):
        assert begin(prefix)[1].unused == ["task/bias"]
    assert "unused: task/bias" in caplog.text
    name = "electra/encoder/layer_0/output/dense/bias"
    broken = model.named_variables | {name: tf.Variable(tf.fill([32], np.nan))}
    prefix = write_checkpoint(tmp_path / "nan", model.config, broken)
    with pytest.raises(
        UserError, match=f"1 variables hold .* not finite, such as {name}"
    ):
        begin(prefix)


def test_a_damaged_checkpoint_is_refused(model, tmp_path):
    prefix = write_checkpoint(tmp_path / "tf1", model.config, model.named_variables)
    data = pathlib.Path(prefix + ".data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read: .*copy both again"):
        begin(prefix)


def test_an_object_based_checkpoint_is_refused(tmp_path):
    prefix = tf.train.Checkpoint(x=tf.Variable(1.0)).save(str(tmp_path / "keras"))
    with pytest.raises(UserError, match="object-based checkpoint"):
        begin(prefix)


def test_what_a_run_records_tells_other_weights_apart(exported, pair):
    def described(path):
        return read.read([str(path)]).describe()

    first, copy = described(exported), described(pair)
    assert first["path"] == str(exported) and copy["path"] == str(pair)
    assert first["sha256"] == copy["sha256"]
    assert first["vocab_sha256"] == vocabulary.fingerprint(
        str(pair / "discriminator/vocab.txt")
    )
    weights = pair / "discriminator/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x00\x3f")
    assert described(pair)["sha256"] != first["sha256"]


def test_a_run_cannot_replace_what_it_begins_from(tmp_path):
    inside = [str(tmp_path / "run"), str(tmp_path / "run" / "model.ckpt-3")]
    for path in inside:
        with pytest.raises(UserError, match="is inside --model_dir="):
            initialise.check_apart(str(tmp_path / "run"), ["other", path])
    initialise.check_apart(str(tmp_path / "run"), [str(tmp_path / "run2")])
