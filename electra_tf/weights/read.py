"""Where a run can begin: any ELECTRA's weights under one set of names."""

import dataclasses
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from common import files
from common.cli import UserError
from data_prep.vocab import tokenizer_source, vocabulary
from electra_tf import config as config_lib
from electra_tf.config import PretrainingConfig
from electra_tf.run_folder import checkpoints, description, tf1_format
from electra_tf.weights import hf_files, hub_download
from electra_tf.weights.parameter_names import DISCRIMINATOR, GENERATOR

HPARAMS_FILE = "hparams.json"
# What a checkpoint holds besides weights: Adam's slots, which a new run does not take.
_NO_WEIGHT = re.compile(rf"/adam_[mv]$|^{tf1_format.GLOBAL_STEP}$")
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_BLOCK = 1 << 24
# Folders in a folder, as the converter names them.
_KINDS = (DISCRIMINATOR, GENERATOR, "masked_lm")


@dataclasses.dataclass(frozen=True)
class Source:
    """Weights that another training left.

    Attributes:
      path: as the user named it.
      weights: float32, by the original's names: electra/..., generator/..., heads. A
        generator without embeddings of its own reads the discriminator's.
      said: "electra" and "generator" -> the hyperparameters that the files beside the
        weights state; not all are known of each kind of source.
      tokens: by id.
      sha256: of the weights' files.
      tokenizer_path: what the tokens were read from: a vocab.txt, or a folder.
      step: of another run's checkpoint.
    """

    path: str
    weights: dict[str, np.ndarray]
    said: dict[str, dict[str, Any]]
    tokens: tuple[str, ...]
    sha256: str
    tokenizer_path: str
    step: int | None = None

    @property
    def vocab_sha256(self) -> str:
        """As `vocab.fingerprint` of a vocab.txt."""
        text = "".join(token + "\n" for token in self.tokens)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    def describe(self) -> dict[str, Any]:
        """What config.json of a run records of it."""
        names = ("path", "step", "sha256", "vocab_sha256")
        return {name: getattr(self, name) for name in names}


def read(
    paths: Sequence[str],
    vocab_path: str | None,
    step: int | None,
    config: PretrainingConfig,
) -> Source:
    """Reads the weights a run is to begin from.

    Args:
      paths: a checkpoint's prefix, or a run's folder, or folders of transformers or
        names on the Hub: one network each, or one folder that holds both of them.
      vocab_path: vocab.txt, or a tokenizer's folder, if not beside the weights.
      step: of a run's folder; its newest checkpoint if None.
      config: of the new run, which decides what a lone masked LM is.

    Raises:
      UserError: nothing of that kind is there, or it is damaged or incomplete.
    """
    path = ",".join(paths)
    is_run = len(paths) == 1 and _is_run(path)
    if step is not None and not is_run:
        raise UserError(f"--init_step={step} needs a run's folder, {path} is none")
    if is_run:
        return _from_run(path, step, vocab_path)
    if len(paths) == 1 and files.exists(path + ".index"):
        return _from_checkpoint(path, path, vocab_path)
    return _from_folders(path, _folders(paths), vocab_path, config)


def _is_run(path: str) -> bool:
    return description.read_description(path) is not None


def _from_run(path: str, step: int | None, vocab_path: str | None) -> Source:
    found = checkpoints.steps(path)
    if not found or step not in (None, *found):
        raise UserError(f"{path} has no checkpoint {step or ''}; it has {found}")
    step = found[-1] if step is None else step
    source = _from_checkpoint(path, checkpoints.prefix(path, step), vocab_path)
    trained_with = description.read_run(path)[1]["vocab_sha256"]
    if source.vocab_sha256 != trained_with:
        raise UserError(
            f"{vocab_path or path}: the vocabulary (SHA-256 "
            f"{source.vocab_sha256[:16]}...) is not that of the run "
            f"({trained_with[:16]}...)"
        )
    return dataclasses.replace(source, step=step)


def _from_checkpoint(path: str, prefix: str, vocab_path: str | None) -> Source:
    """A TF1 name-based checkpoint: the original's or this trainer's."""
    with tf1_format.reading(prefix):
        reader = tf.train.load_checkpoint(prefix)
        names = reader.get_variable_to_shape_map()
        if _OBJECT_GRAPH in names:
            raise UserError(
                f"{prefix} is an object-based checkpoint (of Keras or TensorFlow 2): "
                "its variables have no names of the original's. Convert it to a folder "
                "of transformers first"
            )
        weights = {
            name: np.asarray(reader.get_tensor(name), np.float32)
            for name in sorted(names)
            if not _NO_WEIGHT.search(name)
        }
    folder = os.path.dirname(prefix)
    tokenizer_path = vocab_path or os.path.join(folder, vocabulary.VOCAB_FILE)
    tokens = tokenizer_source.read_tokens(tokenizer_path)
    sha256 = _sha256(files.glob(prefix + ".*"))
    said = _said_beside(folder)
    return Source(path, weights, said, tokens, sha256, tokenizer_path)


def _said_beside(folder: str) -> dict[str, dict[str, Any]]:
    """Of a run's config.json or the original's hparams.json; empty without either."""
    hparams_file = os.path.join(folder, HPARAMS_FILE)
    if _is_run(folder):
        config, _ = description.read_run(folder)
    elif files.exists(hparams_file):
        config = _from_hparams(hparams_file)
    else:
        return {}
    return configured_sizes(config)


def configured_sizes(config: PretrainingConfig) -> dict[str, dict[str, Any]]:
    """The hyperparameters of a run's encoders, by scope; a vocab_size 0 is unknown."""
    size = config.resolved_embedding_size
    found = {"electra": vars(config.discriminator()) | {"embedding_size": size}}
    if config.uses_small_generator and not config.electric_objective:
        small = config.generator()
        size = small.hidden_size if config.untied_generator_embeddings else size
        found["generator"] = vars(small) | {"embedding_size": size}
    return found


def _from_hparams(path: str) -> PretrainingConfig:
    """The original writes more than its hyperparameters there."""
    try:
        found = files.read_json(path)
    except ValueError as error:
        raise UserError(f"{path} is no JSON ({error}): copy it again") from error
    known = {field.name for field in dataclasses.fields(PretrainingConfig)}
    return config_lib.from_dict({n: found[n] for n in found if n in known}, path)


def _folders(paths: Sequence[str]) -> list[str]:
    """Each with one network, in this machine's reach."""
    found = []
    for path in paths:
        if not files.isdir(path) and hub_download.is_name(path):
            path = hub_download.download(path)
        parts = [os.path.join(path, kind) for kind in _KINDS]
        parts = [part for part in parts if files.isdir(part)]
        has_config = files.exists(os.path.join(path, description.CONFIG_FILE))
        if not parts and not has_config:
            raise UserError(
                f"--init_from={path} is no checkpoint ({path}.index is looked for), no "
                f"run's folder, and no folder with {description.CONFIG_FILE} of "
                f"transformers, or with {DISCRIMINATOR}/ and {GENERATOR}/"
            )
        found += [path] if has_config else parts
    return found


def _from_folders(
    path: str, folders: list[str], vocab_path: str | None, config: PretrainingConfig
) -> Source:
    read = [hf_files.read(folder) for folder in folders]
    networks: dict[str, hf_files.Folder] = {}
    for folder in read:
        scope = _scope(folder, len(read) > 1 or config.uses_small_generator)
        if scope in networks:
            raise UserError(
                f"--init_from={path}: {networks[scope].path} and {folder.path} are "
                "both generators, or both discriminators: name one of each"
            )
        networks[scope] = folder
    weights = {
        re.sub("^electra/", scope + "/", name): value
        for scope, folder in networks.items()
        for name, value in folder.weights.items()
    }
    said = {scope: folder.config for scope, folder in networks.items()}
    tokenizers = [vocab_path] if vocab_path else folders
    tokens = _common_tokens(tokenizers)
    sha256 = _sha256(name for folder in read for name in folder.files)
    return Source(path, weights, said, tokens, sha256, tokenizers[0])


def _scope(folder: hf_files.Folder, has_two_networks: bool) -> str:
    """A masked LM is a generator where a discriminator stands beside it."""
    is_electra = folder.config["model_type"] == "electra"
    is_generator = is_electra and folder.has_lm_head and has_two_networks
    return "generator" if is_generator else "electra"


def _common_tokens(places: list[str]) -> tuple[str, ...]:
    first, *others = [tokenizer_source.read_tokens(place) for place in places]
    if any(tokens != first for tokens in others):
        raise UserError(
            f"{' and '.join(places)} have different vocabularies: they are no pair"
        )
    return first


def _sha256(paths: Iterable[str]) -> str:
    """Of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with files.open_binary(path) as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
