"""Checkpoint -> transformers folders: names, shapes, refusals, and the check itself."""

import json
import logging
import os
import pathlib
import re
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf
import transformers
from helpers import damage, tiny
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from common import files
from common.errors import UserError
from common.output_folder import Output
from data_prep.records import example
from data_prep.vocab import tokenizer_source, vocabulary
from electra_tf.config import PretrainingConfig
from electra_tf.export import hf_check, hf_config, hf_folder, tf1_checkpoint, trained
from electra_tf.export.flags import TrainedModel
from electra_tf.export.hub_push import Push
from electra_tf.finetune import pretrained
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.run_folder import checkpoints, description, tf1_format
from electra_tf.weights import parameter_names
from tools import convert_to_pytorch
from tools.convert_to_pytorch import Conversion

# No two sizes are equal: a matrix turned or mistaken for another has a wrong shape.
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 20,
}
KOREAN = "가나다라마바사아자차카타파하은는이가을를맛있어요정말"
LATIN = "KOREAelectra"
LINES = ["가나 다라 마바", "정말 맛있어요", "KOREA 는 electra", "사아 자차 카타 파하!"]


def convert(source: TrainedModel, output_dir, overwrite=False, **options) -> None:
    output = Output(str(output_dir), overwrite)
    convert_to_pytorch.convert(source, output, Conversion(**options), Push())


def _tokens() -> list[str]:
    characters = list(dict.fromkeys(KOREAN + LATIN))
    return [*vocabulary.SPECIAL_TOKENS, *characters, *("##" + c for c in characters)]


def _config(**changes) -> PretrainingConfig:
    values = {
        "model_hparam_overrides": TINY,
        "embedding_size": 24,
        "vocab_size": len(_tokens()),
        "generator_hidden_size": 0.5,
        "max_seq_length": 16,
    }
    return PretrainingConfig(**{**values, **changes})


CONFIGS = {
    "small-like": _config(),
    "base-like": _config(model_size="base", embedding_size=0),
    "tied": _config(untied_generator=False),
    "untied embeddings": _config(untied_generator_embeddings=True),
}
MASKED_LM = _config(electra_objective=False, embedding_size=32)


def _model(config: PretrainingConfig) -> PretrainingModel:
    """A model whose every variable counts: biases are not 0, scales not 1."""
    model = PretrainingModel(config)
    rng = np.random.default_rng(0)
    for _, variable in sorted(model.named_variables.items()):
        noise = rng.normal(0, 0.2, variable.shape).astype(np.float32)
        variable.assign_add(noise)
    return model


def _values(model: PretrainingModel) -> dict[str, np.ndarray]:
    return {name: v.numpy() for name, v in model.named_variables.items()}


@pytest.fixture(scope="module")
def model() -> PretrainingModel:
    return _model(CONFIGS["small-like"])


@pytest.fixture
def vocab_file(tmp_path) -> str:
    folder = tmp_path / "vocab"
    folder.mkdir()
    vocabulary.save(str(folder), _tokens())
    return str(folder / vocabulary.VOCAB_FILE)


@pytest.fixture
def samples(vocab_file) -> list[dict]:
    tokenizer = vocabulary.load_tokenizer(vocab_file)
    return [
        {"text": line, "ids": tokenizer.encode(line, add_special_tokens=False).ids}
        for line in LINES
    ]


@pytest.fixture
def folders(model, vocab_file, tmp_path) -> str:
    """What write_folders makes of `model`."""
    output_dir = str(tmp_path / "hf")
    hf_folder.write_folders(model, vocab_file, output_dir)
    return output_dir


@pytest.mark.parametrize(
    "kind", [parameter_names.DISCRIMINATOR, parameter_names.GENERATOR]
)
@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_are_exactly_those_transformers_expects(name, kind):
    config = CONFIGS[name]
    settings = hf_config.network_config(
        config, parameter_names.networks(config)[kind], kind
    )
    architecture = getattr(transformers, settings["architectures"][0])
    theirs = architecture(transformers.ElectraConfig(**settings)).state_dict()
    theirs.pop("generator_lm_head.weight", None)  # the embedding table
    ours = parameter_names.state_dict(_values(PretrainingModel(config)), config, kind)
    shapes = {n: tuple(v.shape) for n, v in theirs.items() if "position_ids" not in n}
    assert {n: v.shape for n, v in ours.items()} == shapes


def test_kernels_are_transposed_and_tables_are_not(model):
    values = _values(model)
    state = parameter_names.state_dict(
        values, model.config, parameter_names.DISCRIMINATOR
    )
    layer = "electra/encoder/layer_1"
    for ours, theirs in (
        (
            f"{layer}/attention/self/query/kernel",
            "electra.encoder.layer.1.attention.self.query.weight",
        ),
        (
            f"{layer}/intermediate/dense/kernel",
            "electra.encoder.layer.1.intermediate.dense.weight",
        ),
        (
            "discriminator_predictions/dense_1/kernel",
            "discriminator_predictions.dense_prediction.weight",
        ),
    ):
        np.testing.assert_array_equal(state[theirs], values[ours].T)
        assert state[theirs].flags.c_contiguous
    np.testing.assert_array_equal(
        state["electra.embeddings.word_embeddings.weight"],
        values["electra/embeddings/word_embeddings"],
    )


def test_generator_shares_the_discriminators_embedding_table(model):
    values = _values(model)
    name = "electra.embeddings.word_embeddings.weight"
    state = parameter_names.state_dict(values, model.config, parameter_names.GENERATOR)
    table = values["electra/embeddings/word_embeddings"]
    np.testing.assert_array_equal(state[name], table)
    untied = _model(CONFIGS["untied embeddings"])
    values = _values(untied)
    state = parameter_names.state_dict(values, untied.config, parameter_names.GENERATOR)
    table = values["generator/embeddings/word_embeddings"]
    np.testing.assert_array_equal(state[name], table)


def test_uniform_generator_gives_only_a_discriminator(vocab_file, tmp_path):
    config = _config(uniform_generator=True)
    assert list(parameter_names.networks(config)) == [parameter_names.DISCRIMINATOR]
    hf_folder.write_folders(PretrainingModel(config), vocab_file, str(tmp_path / "hf"))
    assert os.listdir(tmp_path / "hf") == [parameter_names.DISCRIMINATOR]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"electra_objective": False, "electric_objective": True}, "no class for the"),
        ({"electra_objective": False}, "embedding_size is 24, hidden_size 32"),
    ],
    ids=["electric", "masked LM with a projection"],
)
def test_runs_that_transformers_has_no_classes_for_are_refused(changes, words):
    with pytest.raises(UserError, match=words):
        parameter_names.networks(_config(**changes))


def test_a_variable_that_no_network_takes_is_an_error(model, vocab_file, tmp_path):
    variables = {**model.named_variables, "other/dense/kernel": tf.Variable([[1.0]])}
    stub = types.SimpleNamespace(config=model.config, named_variables=variables)
    with pytest.raises(UserError, match="other/dense/kernel"):
        hf_folder.write_folders(stub, vocab_file, str(tmp_path / "hf"))


@pytest.mark.parametrize("name", CONFIGS)
def test_folders_hold_the_trained_networks(name, vocab_file, samples, tmp_path):
    model = _model(CONFIGS[name])
    hf_folder.write_folders(model, vocab_file, str(tmp_path / "hf"))
    differences = hf_check.verify(model, str(tmp_path / "hf"), samples)
    assert set(differences) == {
        parameter_names.DISCRIMINATOR,
        parameter_names.GENERATOR,
    }
    assert max(differences.values()) < 1e-4


def test_a_masked_lm_becomes_one_bert(vocab_file, samples, tmp_path):
    model, output_dir = _model(MASKED_LM), tmp_path / "hf"
    hf_folder.write_folders(model, vocab_file, str(output_dir))
    assert os.listdir(output_dir) == [parameter_names.MASKED_LM]
    (difference,) = hf_check.verify(model, str(output_dir), samples).values()
    assert difference < 1e-5
    folder = output_dir / parameter_names.MASKED_LM
    settings = json.loads((folder / "config.json").read_text())
    assert settings["model_type"] == "bert" and "embedding_size" not in settings
    assert settings["max_position_embeddings"] == TINY["max_position_embeddings"]
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "BertTokenizer"


def test_one_network_can_be_asked_for(model, vocab_file, tmp_path):
    output_dir = str(tmp_path / "hf")
    hf_folder.write_folders(model, vocab_file, output_dir, parameter_names.GENERATOR)
    assert os.listdir(output_dir) == [parameter_names.GENERATOR]
    with pytest.raises(UserError, match="this model has discriminator and generator"):
        parameter_names.chosen_networks(model.config, parameter_names.MASKED_LM)


@pytest.mark.parametrize("name", ["small-like", "masked LM"])
def test_pytorch_model_bin_holds_the_same(name, vocab_file, samples, tmp_path):
    model = _model({**CONFIGS, "masked LM": MASKED_LM}[name])
    hf_folder.write_folders(model, vocab_file, str(tmp_path))
    for kind in parameter_names.networks(model.config):
        hf_folder.write_bin(str(tmp_path / kind))
        os.remove(tmp_path / kind / hf_folder.WEIGHTS_FILE)
    assert max(hf_check.verify(model, str(tmp_path), samples).values()) < 1e-5


def _transpose(state: dict[str, np.ndarray], name: str) -> None:
    state[name] = np.ascontiguousarray(state[name].T)


def _swap(state: dict[str, np.ndarray], first: str, second: str) -> None:
    state[first], state[second] = state[second], state[first]


_LAYER = "electra.encoder.layer.0."
_WRONG_WEIGHTS = {
    "transposed": lambda s: _transpose(s, _LAYER + "attention.self.value.weight"),
    "swapped": lambda s: _swap(
        s, _LAYER + "attention.self.key.weight", _LAYER + "attention.self.query.weight"
    ),
    "shifted": lambda s: np.add.at(s["electra.embeddings.LayerNorm.bias"], 0, 0.1),
    "not a number": lambda s: s[_LAYER + "output.dense.bias"].fill(np.nan),
}


@pytest.mark.parametrize("wrong", _WRONG_WEIGHTS)
@pytest.mark.parametrize(
    "kind", [parameter_names.DISCRIMINATOR, parameter_names.GENERATOR]
)
def test_wrong_weights_are_found(wrong, kind, model, folders, samples):
    path = os.path.join(folders, kind, "model.safetensors")
    state = {name: value.copy() for name, value in load_file(path).items()}
    _WRONG_WEIGHTS[wrong](state)
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match=f"{kind}: logits differ"):
        hf_check.verify(model, folders, samples)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda s: s.pop(_LAYER + "output.dense.bias"), "missing_keys"),
        (lambda s: s.update(extra=np.zeros(3, np.float32)), "unexpected_keys"),
    ],
    ids=["missing", "left over"],
)
def test_missing_and_left_over_parameters_are_found(
    change, what, model, folders, samples
):
    path = os.path.join(folders, parameter_names.GENERATOR, "model.safetensors")
    state = load_file(path)
    change(state)
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match=what):
        hf_check.verify(model, folders, samples)


def _edit_json(path: pathlib.Path, change) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


@pytest.mark.parametrize("accents", [True, None], ids=["jamo", "lower case alone"])
def test_a_lower_casing_tokenizer_is_found(accents, model, folders, samples):
    # Versions of transformers differ in which of the two files they believe.
    folder = pathlib.Path(folders, parameter_names.DISCRIMINATOR)
    normalizer = {"lowercase": True, "strip_accents": accents}
    settings = {"do_lower_case": True, "strip_accents": accents}
    tokenizer_file = folder / vocabulary.TOKENIZER_FILE
    _edit_json(tokenizer_file, lambda c: c["normalizer"].update(normalizer))
    _edit_json(folder / "tokenizer_config.json", lambda c: c.update(settings))
    with pytest.raises(UserError, match="the tokenizer gives") as error:
        hf_check.verify(model, folders, samples)
    assert "training used" in str(error.value)


def test_a_lower_casing_tokenizer_is_exported_as_one(model, vocab_file, tmp_path):
    tokenizer_file = pathlib.Path(vocab_file).with_name(vocabulary.TOKENIZER_FILE)
    normalizer = {"lowercase": True, "strip_accents": False}
    _edit_json(tokenizer_file, lambda c: c["normalizer"].update(normalizer))
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    ids = [tokenizer.encode(line, add_special_tokens=False).ids for line in LINES]
    texts = zip(LINES, ids, strict=True)
    samples = [{"text": text, "ids": text_ids} for text, text_ids in texts]
    assert any(line != line.lower() for line in LINES)
    hf_folder.write_folders(model, vocab_file, str(tmp_path / "hf"))
    hf_check.verify(model, str(tmp_path / "hf"), samples)


def test_the_exported_tokenizer_says_that_it_is_cased(folders):
    for kind in (parameter_names.DISCRIMINATOR, parameter_names.GENERATOR):
        folder = pathlib.Path(folders, kind)
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        assert settings["do_lower_case"] is False
        assert settings["strip_accents"] is False
        whole = json.loads((folder / vocabulary.TOKENIZER_FILE).read_text("utf-8"))
        assert whole["normalizer"]["lowercase"] is False


def test_extra_special_tokens_are_exported(tmp_path):
    extra = ("[PHONE]", "{laughing}")
    options = vocabulary.TokenizerOptions(special_tokens=extra)
    tokens = _tokens()
    vocabulary.save(str(tmp_path), [*tokens[:5], *extra, *tokens[5:]], options)
    source = tokenizer_source.load_beside(str(tmp_path / "vocab.txt"))
    texts = hf_config.tokenizer_files(source, 32, parameter_names.GENERATOR)
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "config.json").write_text('{"model_type": "electra"}')
    loaded = transformers.AutoTokenizer.from_pretrained(str(tmp_path))
    assert set(extra) < set(loaded.all_special_tokens)
    text = f"{LINES[0]}[PHONE]{LINES[0]} {{laughing}}"
    ours = vocabulary.load_tokenizer(str(tmp_path / "vocab.txt"))
    ids = loaded(text, add_special_tokens=False).input_ids
    assert ids == ours.encode(text, add_special_tokens=False).ids
    assert ids[-1] == 6 and 5 in ids


def _snapshot(folder: pathlib.Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def model_dir(model, vocab_file, samples, tmp_path) -> pathlib.Path:
    """A run's folder with one checkpoint."""
    folder = tmp_path / "model"
    folder.mkdir()
    text = pathlib.Path(vocab_file).read_text(encoding="utf-8")
    (folder / vocabulary.VOCAB_FILE).write_text(text, encoding="utf-8")
    tokenizer = pathlib.Path(vocab_file).with_name(vocabulary.TOKENIZER_FILE)
    shutil.copy(tokenizer, folder)
    lines = "".join(json.dumps(sample) + "\n" for sample in samples)
    (folder / example.SAMPLES_FILE).write_text(lines)
    data = {"vocab_sha256": vocabulary.fingerprint(vocab_file)}
    described = {"config": model.config.to_dict(), "data": data}
    (folder / description.CONFIG_FILE).write_text(json.dumps(described))
    checkpoints.save(str(folder), 7, model.named_variables, keep_max=1)
    return folder


def test_convert_publishes_checked_folders(model_dir, tmp_path):
    convert(TrainedModel(model_dir=str(model_dir)), str(tmp_path / "out"))
    folders = {parameter_names.DISCRIMINATOR, parameter_names.GENERATOR}
    assert set(os.listdir(tmp_path / "out")) == {*folders, "manifest.json"}
    for name in folders:
        assert set(os.listdir(tmp_path / "out" / name)) == {
            "README.md",
            "config.json",
            "model.safetensors",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.txt",
        }


def test_a_run_without_held_out_lines_is_checked_on_others(model_dir, tmp_path, caplog):
    (model_dir / example.SAMPLES_FILE).write_text("")
    with caplog.at_level(logging.INFO, logger="absl"):
        convert(TrainedModel(model_dir=str(model_dir)), str(tmp_path / "out"))
    assert re.search(r"\b(\d\d) texts give the same ids", caplog.text)


def test_folders_may_be_on_a_bucket(model_dir, model, bucket_folder):
    """And are read there: to fine-tune, to train on, and to convert again."""
    source = TrainedModel(model_dir=str(model_dir))
    convert(source, f"{bucket_folder}/hf", verify=False)
    found = pretrained.read([f"{bucket_folder}/hf"])
    expected = _values(model)
    for name, value in found.weights.items():
        np.testing.assert_array_equal(value, expected[name])
    again = trained.load(TrainedModel(hf_dir=f"{bucket_folder}/hf"))
    tiny.assert_bit_equal(_values(again.model), expected)
    convert(source, f"{bucket_folder}/hf", overwrite=True, verify=False)
    copied = TrainedModel(hf_dir=f"{bucket_folder}/hf")
    convert(copied, f"{bucket_folder}/again", only="discriminator", write_bin=True)
    card = files.read_text(f"{bucket_folder}/again/discriminator/README.md")
    assert "Korean ELECTRA discriminator" in card


def test_a_failed_check_leaves_no_folders(model_dir, samples, tmp_path):
    samples[-1]["ids"] = samples[-1]["ids"][::-1]
    lines = "".join(json.dumps(sample) + "\n" for sample in samples)
    (model_dir / example.SAMPLES_FILE).write_text(lines)
    output_dir = tmp_path / "out"
    output_dir.mkdir()
    with pytest.raises(UserError, match="training used"):
        convert(TrainedModel(model_dir=str(model_dir)), str(output_dir))
    assert os.listdir(output_dir) == []


def test_a_run_with_a_file_cut_short_is_refused(model_dir, tmp_path):
    line = '{"kind": "eval", "step": 7, "disc_auc": 0.5}\n'
    (model_dir / "metrics.jsonl").write_text(3 * line, "utf-8")
    output_dir = tmp_path / "out"

    def read(folder: str) -> None:
        shutil.rmtree(output_dir, ignore_errors=True)
        convert(TrainedModel(model_dir=folder), output_dir, verify=False)

    assert damage.refused(model_dir, tmp_path, read, {"samples.jsonl"}) == {
        *("config.json", "vocab.txt", "tokenizer.json", "samples.jsonl"),
        *("model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001"),
    }


def test_a_step_without_a_checkpoint_is_refused(model_dir, tmp_path):
    source = TrainedModel(model_dir=str(model_dir), step=5)
    with pytest.raises(UserError, match=r"no checkpoint 5; it has \[7\]"):
        convert(source, str(tmp_path / "out"), verify=False)


def test_a_changed_vocabulary_is_refused(model_dir, tmp_path):
    with open(model_dir / vocabulary.VOCAB_FILE, "a", encoding="utf-8") as handle:
        handle.write("새말\n")
    source = TrainedModel(model_dir=str(model_dir))
    with pytest.raises(UserError, match="is not the vocabulary of the run"):
        convert(source, str(tmp_path / "out"), verify=False)


@pytest.fixture
def original(model, vocab_file, tmp_path) -> TrainedModel:
    """The same model as the original would have left it."""
    prefix = str(tmp_path / "model.ckpt-20")
    tf1_format.write(prefix, model.named_variables)
    return TrainedModel(
        tf1_checkpoint=prefix,
        hparams=json.dumps(tf1_checkpoint.original_hparams(model.config)),
        vocab_file=vocab_file,
    )


def test_files_of_the_original_convert(original, model, tmp_path):
    output_dir = tmp_path / "out"
    convert(original, str(output_dir), write_bin=True)
    for kind in (parameter_names.DISCRIMINATOR, parameter_names.GENERATOR):
        state = load_file(output_dir / kind / hf_folder.WEIGHTS_FILE)
        expected = parameter_names.state_dict(_values(model), model.config, kind)
        assert state.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(state[name], value)
        assert (output_dir / kind / hf_folder.BIN_FILE).exists()


def test_a_refused_source_leaves_the_output_as_it_was(original, tmp_path):
    output_dir = tmp_path / "out"
    convert(original, str(output_dir), verify=False)
    before = _snapshot(output_dir)
    data = pathlib.Path(original.tf1_checkpoint + ".data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-1000])
    with pytest.raises(UserError, match="model.ckpt-20 cannot be read"):
        convert(original, output_dir, overwrite=True)
    with pytest.raises(UserError, match="cannot be read"):
        convert(original, str(tmp_path / "new"))
    assert _snapshot(output_dir) == before
    assert not (tmp_path / "new").exists()
