"""Folders of transformers -> weights under the original's names.

safetensors need neither torch nor transformers. A pytorch_model.bin needs torch; code
that a pickle may hold is not run.
"""

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import safetensors
import tensorflow as tf

from common import files
from common.errors import UserError
from electra_tf.run_folder.description import CONFIG_FILE
from electra_tf.weights import parameter_names

_INDEX = ".index.json"
_SAFETENSORS = "model.safetensors"
_PICKLE = "pytorch_model.bin"
# Single files, and indices of several files; the first that exists is read.
_WEIGHT_FILES = (_SAFETENSORS, _SAFETENSORS + _INDEX, _PICKLE, _PICKLE + _INDEX)

# Other types are those of buffers such as position_ids, which are not weights.
_FLOATS = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": tf.bfloat16.as_numpy_dtype,
}

_TABLE = "electra/embeddings/word_embeddings"
# The output layer, a copy of the embedding table, and a copy of its bias.
_OUTPUT_LAYER = re.compile(r"^(generator_lm_head|cls\.predictions\.decoder)\.weight$")
_REPEATED = re.compile(r"^cls\.predictions\.decoder\.bias$")


class Folder(NamedTuple):
    """One network."""

    path: str
    config: dict[str, Any]  # config.json
    weights: dict[str, np.ndarray]  # float32; its encoder's are electra/...
    files: list[str]  # what the weights were read from


def read(path: str) -> Folder:
    """Reads a folder that transformers or this project's converter wrote.

    Raises:
      UserError: no weights or config.json, a damaged file, a pickle of more than
        tensors, or another architecture.
    """
    config = read_json(os.path.join(path, CONFIG_FILE))
    if config.get("model_type") not in ("electra", "bert"):
        raise UserError(
            f"{os.path.join(path, CONFIG_FILE)}: model_type is "
            f"{config.get('model_type')!r}, only electra and bert can be read"
        )
    names = _weight_files(path)
    weights: dict[str, np.ndarray] = {}
    output_layer = None
    for name in names:
        is_pickle = not name.endswith(".safetensors")
        for theirs, value in (_read_pickle if is_pickle else _read_safetensors)(name):
            if _OUTPUT_LAYER.match(theirs):
                output_layer = np.asarray(value, np.float32)
            elif not _REPEATED.match(theirs):
                ours = parameter_names.original_name(theirs)
                weights[ours] = parameter_names.parameter(ours, value)
    _compare_output_layer(path, output_layer, weights.get(_TABLE))
    return Folder(path, config, weights, names)


def read_json(path: str) -> dict[str, Any]:
    """The object in a file of a model.

    Raises:
      UserError: it does not exist, or is damaged.
    """
    try:
        content = files.read_json(path)
    except (OSError, tf.errors.NotFoundError) as error:
        raise UserError(f"{path} does not exist: copy the whole folder") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}): copy it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a JSON object: copy it again")
    return content


def _weight_files(folder: str) -> list[str]:
    for name in _WEIGHT_FILES:
        path = os.path.join(folder, name)
        if not files.exists(path):
            continue
        if not name.endswith(_INDEX):
            return [path]
        parts = sorted(set(read_json(path).get("weight_map", {}).values()))
        return [_part(folder, path, part) for part in parts]
    names = ", ".join(files.listdir(folder)) or "nothing"
    raise UserError(
        f"{folder} holds no weights ({_SAFETENSORS}, {_PICKLE}, or either with "
        f"{_INDEX}); it holds {names}"
    )


def _part(folder: str, index: str, name: str) -> str:
    path = os.path.join(folder, name)
    if os.path.basename(name) != name or not files.exists(path):
        raise UserError(f"{index} names {name!r}, which is not beside it")
    return path


def _read_safetensors(path: str) -> Iterator[tuple[str, np.ndarray]]:
    """The names in transformers and the values of one file."""
    with files.open_binary(path) as handle:
        data = handle.read()
    try:
        views = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        raise UserError(f"{path} is cut short or damaged: {error}") from error
    for name, view in views:
        if view["dtype"] in _FLOATS:
            values = np.frombuffer(view["data"], _FLOATS[view["dtype"]])
            yield name, values.reshape(view["shape"])


def _read_pickle(path: str) -> Iterator[tuple[str, np.ndarray]]:
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"{path} needs torch: pip install 'korean-electra-tf[verify]', or put the "
            f"model's {_SAFETENSORS} beside it"
        ) from error
    try:
        with files.open_binary(path) as handle:
            state = torch.load(handle, map_location="cpu", weights_only=True)
    # A damaged pickle can raise anything.
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path} is damaged, or holds more than tensors ({reason}). A pickle of "
            "more than tensors can run code, so it is not loaded: ask for the model's "
            f"{_SAFETENSORS}"
        ) from error
    if not isinstance(state, dict):
        raise UserError(f"{path} holds {type(state).__name__}, not named tensors")
    for name, value in state.items():
        if torch.is_tensor(value) and value.is_floating_point():
            yield name, value.float().numpy()


def _compare_output_layer(
    path: str, layer: np.ndarray | None, table: np.ndarray | None
) -> None:
    if layer is None or table is None or np.array_equal(layer, table):
        return
    raise UserError(
        f"{path}: the output layer is not the embedding table (tie_word_embeddings "
        "was false, or this is not a masked LM of BERT or ELECTRA): no network here "
        "can hold both"
    )
