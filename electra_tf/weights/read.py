"""One reader of weights: any ELECTRA's, under the original's names.

`read` takes whatever --init_from names; each format has a function of its own.
"""

import dataclasses
import functools
import hashlib
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from common import files
from common.errors import UserError
from data_prep.vocab import tokenizer_source, vocabulary
from electra_tf import config as config_lib
from electra_tf import hparams
from electra_tf.config import PretrainingConfig
from electra_tf.run_folder import checkpoints, description, tf1_format
from electra_tf.weights import hf_files, hub_download
from electra_tf.weights.parameter_names import DISCRIMINATOR, GENERATOR, KINDS

HPARAMS_FILE = "hparams.json"
# What a checkpoint holds besides weights: Adam's slots and the step.
_NO_WEIGHT = re.compile(rf"/adam_[mv]$|^{tf1_format.GLOBAL_STEP}$")
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_LM_HEAD = "generator_predictions/output_bias"
_BLOCK = 1 << 24


@dataclasses.dataclass(frozen=True)
class Weights:
    """Weights that another training left.

    Attributes:
      path: as the user named it.
      tensors: float32, by the original's names: electra/..., generator/..., heads. A
        generator without embeddings of its own reads the discriminator's.
      tokens: by id.
      tokenizer_path: what the tokens were read from: a vocab.txt, or a folder.
      stated: "electra" and "generator" -> the hyperparameters that files beside the
        weights state; may be empty, or lack some.
      files: the weights were read from.
      step: of a run's checkpoint.
    """

    path: str
    tensors: dict[str, np.ndarray]
    tokens: tuple[str, ...]
    tokenizer_path: str
    stated: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    files: tuple[str, ...] = ()
    step: int | None = None

    @property
    def shapes(self) -> dict[str, list[int]]:
        return {name: list(value.shape) for name, value in self.tensors.items()}

    @property
    def vocab_sha256(self) -> str:
        """As `vocabulary.fingerprint` of a vocab.txt."""
        text = "".join(token + "\n" for token in self.tokens)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    @functools.cached_property
    def sha256(self) -> str:
        """Of the files' bytes, one file after the other."""
        digest = hashlib.sha256()
        for path in self.files:
            with files.open_binary(path) as handle:
                while block := handle.read(_BLOCK):
                    digest.update(block)
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """What config.json of a run records of its initial weights."""
        names = ("path", "step", "sha256", "vocab_sha256")
        return {name: getattr(self, name) for name in names}


def read(
    paths: Sequence[str], vocab_path: str = "", step: int | None = None
) -> Weights:
    """Reads the weights that a training is to begin from.

    Args:
      paths: a run's folder, or a checkpoint's prefix, or what `folders` takes.
      vocab_path: vocab.txt, or a tokenizer's folder, if not beside the weights.
      step: of a run's folder; its newest checkpoint if None.

    Raises:
      UserError: nothing of that kind is there, or it is damaged or incomplete.
    """
    path = ",".join(paths)
    if len(paths) == 1 and description.read_description(path) is not None:
        return run(path, vocab_path, step)
    if step is not None:
        raise UserError(f"--init_step={step} needs a run's folder, {path} is not one")
    if len(paths) == 1 and files.exists(path + ".index"):
        weights = checkpoint(path, vocab_path)
        return dataclasses.replace(weights, stated=_stated_beside(path))
    return folders(paths, vocab_path)


def run(model_dir: str, vocab_path: str = "", step: int | None = None) -> Weights:
    """A checkpoint of a run of this trainer (default: the newest).

    Raises:
      UserError: there is no such run or checkpoint, or another vocabulary.
    """
    config, data = description.read_run(model_dir)
    step = checkpoints.find(model_dir, step)
    weights = checkpoint(checkpoints.prefix(model_dir, step), vocab_path)
    trained_with = data["vocab_sha256"]
    if weights.vocab_sha256 != trained_with:
        raise UserError(
            f"{weights.tokenizer_path} (SHA-256 {weights.vocab_sha256[:16]}...) is not "
            f"the vocabulary of the run ({trained_with[:16]}...)"
        )
    stated = configured_sizes(config)
    return dataclasses.replace(weights, path=model_dir, stated=stated, step=step)


def checkpoint(prefix: str, vocab_path: str = "") -> Weights:
    """A TF1 name-based checkpoint: the original's or this trainer's.

    Raises:
      UserError: it is missing, damaged or of another kind, or has no vocabulary.
    """
    with tf1_format.reading(prefix):
        reader = tf.train.load_checkpoint(prefix)
        names = reader.get_variable_to_shape_map()
        if _OBJECT_GRAPH in names:
            raise UserError(
                f"{prefix} is an object-based checkpoint (of Keras or TensorFlow 2), "
                "whose variables do not have the original's names. Convert it to a "
                "folder of transformers first"
            )
        tensors = {
            name: np.asarray(reader.get_tensor(name), np.float32)
            for name in sorted(names)
            if not _NO_WEIGHT.search(name)
        }
    beside = os.path.join(os.path.dirname(prefix), vocabulary.VOCAB_FILE)
    tokenizer_path = vocab_path or beside
    tokens = tokenizer_source.read_tokens(tokenizer_path)
    weight_files = tuple(files.glob(prefix + ".*"))
    return Weights(prefix, tensors, tokens, tokenizer_path, files=weight_files)


def _stated_beside(prefix: str) -> dict[str, dict[str, Any]]:
    """By a run's config.json or the original's hparams.json; empty without either."""
    folder = os.path.dirname(prefix)
    path = os.path.join(folder, HPARAMS_FILE)
    if description.read_description(folder) is not None:
        return configured_sizes(description.read_run(folder)[0])
    if not files.exists(path):
        return {}
    values = hf_files.read_json(path)
    # The original writes more than its hyperparameters there.
    known = hparams.names(PretrainingConfig) & values.keys()
    config = config_lib.from_dict({name: values[name] for name in known}, path)
    return configured_sizes(config)


def configured_sizes(config: PretrainingConfig) -> dict[str, dict[str, Any]]:
    """The hyperparameters of a run's encoders, by scope; a vocab_size 0 is unknown."""
    size = config.resolved_embedding_size
    sizes = {"electra": vars(config.discriminator()) | {"embedding_size": size}}
    if config.uses_small_generator and not config.electric_objective:
        size = config.generator_embedding_size
        sizes["generator"] = vars(config.generator()) | {"embedding_size": size}
    return sizes


def folders(paths: Sequence[str], vocab_path: str = "") -> Weights:
    """Folders of transformers, or of this project's converter.

    Args:
      paths: folders or names on the Hub: one network each, or one that holds
        discriminator/ and generator/, or masked_lm/.

    Raises:
      UserError: there are no networks, two of a kind, or two vocabularies.
    """
    path = ",".join(paths)
    single = [folder for each in paths for folder in _single_folders(each)]
    networks: dict[str, hf_files.Folder] = {}
    for folder in map(hf_files.read, single):
        # A masked LM of ELECTRA is a generator, one of BERT the only network.
        is_electra = folder.config["model_type"] == "electra"
        is_generator = is_electra and _LM_HEAD in folder.weights
        scope = "generator" if is_generator else "electra"
        if scope in networks:
            raise UserError(
                f"{path}: {networks[scope].path} and {folder.path} are both "
                "generators, or both discriminators: name one of each"
            )
        networks[scope] = folder
    tensors = {
        re.sub("^electra/", scope + "/", name): value
        for scope, folder in networks.items()
        for name, value in folder.weights.items()
    }
    stated = {scope: folder.config for scope, folder in networks.items()}
    tokenizers = [vocab_path] if vocab_path else single
    tokens = _common_tokens(tokenizers)
    weight_files = tuple(name for n in networks.values() for name in n.files)
    return Weights(path, tensors, tokens, tokenizers[0], stated, weight_files)


def _single_folders(path: str) -> list[str]:
    """Folders of one network each; names on the Hub are fetched to this machine."""
    if not files.isdir(path) and hub_download.is_name(path):
        path = hub_download.download(path)
    if files.exists(os.path.join(path, description.CONFIG_FILE)):
        return [path]
    parts = [os.path.join(path, kind) for kind in KINDS]
    if present := [part for part in parts if files.isdir(part)]:
        return present
    raise UserError(
        f"{path} is not a checkpoint (there is no {path}.index), not a run's folder, "
        f"and not a folder of transformers with {description.CONFIG_FILE} or with "
        f"{DISCRIMINATOR}/ and {GENERATOR}/"
    )


def _common_tokens(places: list[str]) -> tuple[str, ...]:
    first, *others = [tokenizer_source.read_tokens(place) for place in places]
    if any(tokens != first for tokens in others):
        raise UserError(
            f"{' and '.join(places)} have different vocabularies: they are not a pair"
        )
    return first
