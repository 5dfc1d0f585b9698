"""Folders of transformers: every form of weights, and what must not be believed."""

import json
import pathlib
import pickle
import shutil

import numpy as np
import pytest
from helpers import tiny
from safetensors.numpy import load_file, save_file

from common.errors import UserError
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.weights import hf_files, initialise, read

VERIFY = "pip install 'korean-electra-tf[verify]'"
torch = pytest.importorskip("torch", reason=VERIFY)
transformers = pytest.importorskip("transformers", reason=VERIFY)

STATE = "model.safetensors"


@pytest.fixture
def folder(exported, tmp_path) -> pathlib.Path:
    """A discriminator's folder, to be changed."""
    return pathlib.Path(shutil.copytree(exported / "discriminator", tmp_path / "d"))


@pytest.fixture
def state(folder) -> dict[str, np.ndarray]:
    return load_file(folder / STATE)


def expected(exported: pathlib.Path) -> dict[str, np.ndarray]:
    return hf_files.read(str(exported / "discriminator")).weights


def assert_same(folder: pathlib.Path, wanted: dict, tolerance: float = 0.0) -> None:
    found = hf_files.read(str(folder)).weights
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, wanted[name], atol=tolerance, rtol=tolerance)


def test_parameters_without_a_prefix_are_a_bare_models(folder, state, exported):
    bare = {
        name.removeprefix("electra."): value
        for name, value in state.items()
        if name.startswith("electra.")
    }
    save_file(bare, folder / STATE)
    wanted = {n: v for n, v in expected(exported).items() if n.startswith("electra/")}
    assert_same(folder, wanted)


def test_shards_are_read_by_their_index(folder, state, exported):
    (folder / STATE).unlink()
    parts = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    where = {name: parts[i % 2] for i, name in enumerate(state)}
    for part in parts:
        save_file({n: state[n] for n in state if where[n] == part}, folder / part)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    assert_same(folder, expected(exported))
    (folder / parts[1]).unlink()
    with pytest.raises(UserError, match=f"names '{parts[1]}', which is not beside"):
        hf_files.read(str(folder))
    outside = {"weight_map": {"a": "../d/" + parts[0]}}
    index.write_text(json.dumps(outside))
    with pytest.raises(UserError, match=r"names '\.\./d/model-00001"):
        hf_files.read(str(folder))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("is_pickle", [True, False])
def test_every_float_type_becomes_float32(
    dtype, is_pickle, folder, state, exported, tmp_path
):
    tensors = {name: torch.tensor(value).to(dtype) for name, value in state.items()}
    tensors["electra.embeddings.position_ids"] = torch.arange(32)[None]
    (folder / STATE).unlink()
    if is_pickle:
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        from safetensors.torch import save_file as save_torch

        save_torch(tensors, folder / STATE)
    tolerance = {torch.float32: 0.0, torch.float16: 1e-3, torch.bfloat16: 1e-2}[dtype]
    assert_same(folder, expected(exported), tolerance)


class Malicious:
    """What a pickle from strangers can be: loading it creates a file."""

    def __init__(self, path: str):
        self._path = path

    def __reduce__(self):
        return (open, (self._path, "w"))


@pytest.mark.parametrize("save", [torch.save, lambda x, path: path.write_bytes(x)])
def test_a_pickle_of_more_than_tensors_is_not_run(save, folder, state, tmp_path):
    (folder / STATE).unlink()
    trap = tmp_path / "trap"
    value = {"weight": torch.ones(2), "code": Malicious(str(trap))}
    is_torch = save is torch.save
    save(value if is_torch else pickle.dumps(value), folder / "pytorch_model.bin")
    with pytest.raises(
        UserError, match="holds more than tensors .*can run code"
    ) as error:
        hf_files.read(str(folder))
    assert "ask for the model's model.safetensors" in str(error.value)
    assert not trap.exists()


@pytest.mark.parametrize("size", [0, 5, 1000, -4])
def test_a_file_cut_short_is_refused(size, folder, state):
    whole = (folder / STATE).read_bytes()
    (folder / STATE).write_bytes(whole[:size])
    with pytest.raises(UserError, match="model.safetensors is cut short or damaged"):
        hf_files.read(str(folder))
    (folder / STATE).unlink()
    path = folder / "pytorch_model.bin"
    torch.save({name: torch.tensor(value) for name, value in state.items()}, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match="pytorch_model.bin is damaged"):
        hf_files.read(str(folder))


def test_a_pickle_of_something_else_is_refused(folder):
    (folder / STATE).unlink()
    torch.save([torch.ones(2)], folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="holds list, not named tensors"):
        hf_files.read(str(folder))


def test_folders_that_are_not_whole_are_refused(folder):
    (folder / STATE).rename(folder / "tf_model.h5")
    with pytest.raises(UserError, match="holds no weights .*tf_model.h5"):
        hf_files.read(str(folder))
    (folder / "config.json").write_text('{"model_type": "roberta"}')
    with pytest.raises(
        UserError, match="model_type is 'roberta', only electra and bert"
    ):
        hf_files.read(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="config.json is not JSON"):
        hf_files.read(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match="config.json does not exist"):
        hf_files.read(str(folder))


def test_an_output_layer_of_its_own_is_refused(exported, tmp_path):
    folder = pathlib.Path(shutil.copytree(exported / "generator", tmp_path / "g"))
    state = load_file(folder / STATE)
    table = state["electra.embeddings.word_embeddings.weight"]
    state["generator_lm_head.weight"] = table
    save_file(state, folder / STATE)
    assert_same(folder, hf_files.read(str(exported / "generator")).weights)
    state["generator_lm_head.weight"] = table + 1
    save_file(state, folder / STATE)
    with pytest.raises(UserError, match="the output layer is not the embedding table"):
        hf_files.read(str(folder))


def test_berts_masked_lm_trains_on_as_one(tmp_path, data_dir):
    """Logits are those of transformers, from its own files."""
    torch.manual_seed(0)
    bert = transformers.BertForMaskedLM(
        transformers.BertConfig(
            vocab_size=tiny.VOCAB_SIZE,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=128,
            max_position_embeddings=32,
            initializer_range=0.3,
        )
    ).eval()
    bert.save_pretrained(tmp_path)
    shutil.copy(data_dir / "tfrecords" / "vocab.txt", tmp_path)
    config = tiny.config(electra_objective=False, embedding_size=32)
    model = PretrainingModel(config)
    weights = read.read([str(tmp_path)])
    report = initialise.initialise(
        model.named_variables, weights, config, tiny.tokens()
    )
    assert not report.fresh and not report.unused
    inputs = tiny.inputs([16, 9])
    theirs = bert(
        *(torch.tensor(x.numpy().astype(np.int64)) for x in inputs)
    ).logits.detach()
    real = inputs.input_mask.numpy() > 0
    ours = model.generator_logits(inputs).numpy()
    np.testing.assert_allclose(ours[real], theirs.numpy()[real], atol=2e-5)
