"""Checkpoint -> `discriminator` and `generator` folders that transformers loads.

Each folder holds model.safetensors, config.json and the tokenizer's files. Writing
needs neither torch nor transformers; checking, on by default, needs both: it loads the
folders and compares their logits and token ids with the trained model's on real text.

  python tools/convert_to_pytorch.py --model_dir=W/model --output_dir=W/hf
"""

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags, logging
from safetensors.numpy import save_file

from data_prep import cli, files, manifest, records, vocab
from data_prep.cli import UserError
from electra_tf import checkpoints
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.pretraining_model import PretrainingModel

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
_ARCHITECTURES = {
    DISCRIMINATOR: "ElectraForPreTraining",
    GENERATOR: "ElectraForMaskedLM",
}
_MAX_DIFFERENCE = 1e-4
_NUM_TEXTS = 32

# TensorFlow name, without its scope -> PyTorch name, in this order. Kernels are
# transposed.
_RENAMES = (
    (r"^(electra|generator)/", "electra/"),
    (
        r"^discriminator_predictions/dense_1/",
        "discriminator_predictions/dense_prediction/",
    ),
    (r"^generator_predictions/output_bias$", "generator_lm_head/bias"),
    (r"/layer_(\d+)/", r"/layer/\1/"),
    (r"_embeddings$", "_embeddings/weight"),
    (r"/kernel$", "/weight"),
    (r"/gamma$", "/weight"),
    (r"/beta$", "/bias"),
    (r"/", "."),
)


def pytorch_name(name: str) -> str:
    """The transformers parameter a variable of one network becomes."""
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def network_variables(config: PretrainingConfig, kind: str) -> re.Pattern:
    """Matches the variables of one network, embeddings and head included."""
    if kind == DISCRIMINATOR:
        return re.compile("^(electra|discriminator_predictions)/")
    if not config.uses_small_generator:  # one encoder serves both
        return re.compile("^(electra|generator_predictions)/")
    if config.untied_generator_embeddings:
        return re.compile("^(generator|generator_predictions)/")
    return re.compile("^(electra/embeddings|generator|generator_predictions)/")


def networks(config: PretrainingConfig) -> dict[str, TransformerConfig]:
    """Which folders a run gives.

    Raises:
      UserError: the run has no discriminator, or none that transformers can express.
    """
    if not config.electra_objective:
        raise UserError(
            "only runs with electra_objective become ELECTRA folders: transformers has "
            "no class for the electric objective, and a masked LM has no discriminator"
        )
    found = {DISCRIMINATOR: config.discriminator()}
    if not config.uniform_generator:
        small = config.uses_small_generator
        found[GENERATOR] = config.generator() if small else config.discriminator()
    return found


def state_dict(
    variables: dict[str, np.ndarray], config: PretrainingConfig, kind: str
) -> dict[str, np.ndarray]:
    """One network's parameters under transformers' names."""
    pattern = network_variables(config, kind)
    state = {}
    for name, value in variables.items():
        if pattern.match(name):
            value = value.T if name.endswith("/kernel") else value
            state[pytorch_name(name)] = np.ascontiguousarray(value, np.float32)
    return state


def electra_config(
    config: PretrainingConfig, transformer: TransformerConfig, kind: str
) -> dict[str, Any]:
    """config.json of one network."""
    small_table = kind == GENERATOR and config.untied_generator_embeddings
    size = transformer.hidden_size if small_table else config.resolved_embedding_size
    return {
        "architectures": [_ARCHITECTURES[kind]],
        "model_type": "electra",
        "vocab_size": transformer.vocab_size,
        "embedding_size": size,
        "hidden_size": transformer.hidden_size,
        "num_hidden_layers": transformer.num_hidden_layers,
        "num_attention_heads": transformer.num_attention_heads,
        "intermediate_size": transformer.intermediate_size,
        "hidden_act": transformer.hidden_act,
        "hidden_dropout_prob": transformer.hidden_dropout_prob,
        "attention_probs_dropout_prob": transformer.attention_probs_dropout_prob,
        "max_position_embeddings": transformer.max_position_embeddings,
        "type_vocab_size": transformer.type_vocab_size,
        "initializer_range": transformer.initializer_range,
        "layer_norm_eps": 1e-12,
        "pad_token_id": vocab.PAD_ID,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    }


def tokenizer_files(vocab_file: str, max_seq_length: int) -> dict[str, str]:
    """File name -> content. Says what transformers' defaults get wrong for Korean.

    Args:
      vocab_file: of a run, beside its tokenizer.json.
      max_seq_length: of its examples.
    """
    tokenizer_file = os.path.join(os.path.dirname(vocab_file), vocab.TOKENIZER_FILE)
    tokenizer = files.read_json(tokenizer_file)
    normalizer = tokenizer["normalizer"] or {}
    is_bert = normalizer.get("type") == "BertNormalizer"
    special = dict(
        zip(
            ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"),
            vocab.SPECIAL_TOKENS,
            strict=True,
        )
    )
    settings = {
        "tokenizer_class": "ElectraTokenizer" if is_bert else "PreTrainedTokenizerFast",
        "do_lower_case": normalizer.get("lowercase", False),
        "strip_accents": False,
        "tokenize_chinese_chars": normalizer.get("handle_chinese_chars", True),
        "model_max_length": max_seq_length,
        **special,
    }
    return {
        vocab.VOCAB_FILE: files.read_text(vocab_file),
        vocab.TOKENIZER_FILE: json.dumps(tokenizer, ensure_ascii=False, indent=2),
        "tokenizer_config.json": json.dumps(settings, indent=2) + "\n",
        "special_tokens_map.json": json.dumps(special, indent=2) + "\n",
    }


def write_folders(model: PretrainingModel, vocab_file: str, output_dir: str) -> None:
    """Writes one local folder per network.

    Raises:
      UserError: a variable would be left behind.
    """
    variables = {name: v.numpy() for name, v in model.named_variables.items()}
    config = model.config
    used = set()
    for kind, transformer in networks(config).items():
        used |= {n for n in variables if network_variables(config, kind).match(n)}
        folder = os.path.join(output_dir, kind)
        os.makedirs(folder)
        tensors = state_dict(variables, config, kind)
        path = os.path.join(folder, "model.safetensors")
        save_file(tensors, path, metadata={"format": "pt"})
        settings = electra_config(config, transformer, kind)
        files.write_json(os.path.join(folder, "config.json"), settings)
        for name, text in tokenizer_files(vocab_file, config.max_seq_length).items():
            files.write_text(os.path.join(folder, name), text)
    if left := sorted(set(variables) - used):
        raise UserError(f"no network takes the variables {', '.join(left)}")


def read_samples(model_dir: str) -> list[dict[str, Any]]:
    """Lines of real text with the ids they had in training."""
    text = files.read_text(os.path.join(model_dir, records.SAMPLES_FILE))
    return [json.loads(line) for line in text.splitlines()]


def verify(
    model: PretrainingModel, output_dir: str, samples: list[dict[str, Any]]
) -> dict[str, float]:
    """Loads the folders with transformers and compares them with the model.

    Returns:
      The largest absolute difference of logits, by network.

    Raises:
      UserError: token ids differ, parameters are missing or left over, or logits
        differ.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise UserError(
            f"checking needs {error.name}: pip install 'korean-electra-tf[verify]', or "
            "say --noverify"
        ) from error
    our_logits = {
        DISCRIMINATOR: model.discriminator_logits,
        GENERATOR: model.generator_logits,
    }
    differences = {}
    for kind in networks(model.config):
        folder = os.path.join(output_dir, kind)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        check_ids(tokenizer, samples, folder)
        loader = getattr(transformers, _ARCHITECTURES[kind])
        theirs, info = loader.from_pretrained(folder, output_loading_info=True)
        for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if info[what]:
                raise UserError(f"{folder}: transformers reports {what}: {info[what]}")
        batch = tokenizer(
            [sample["text"] for sample in samples[:_NUM_TEXTS]],
            padding=True,
            truncation=True,
            return_tensors="pt",
        )
        with torch.no_grad():
            expected = theirs.eval()(**batch).logits.numpy()
        mask = batch["attention_mask"].numpy().astype(bool)
        ours = our_logits[kind](
            *(
                tf.constant(batch[name].numpy(), tf.int32)
                for name in ("input_ids", "attention_mask", "token_type_ids")
            )
        ).numpy()
        differences[kind] = float(np.abs(ours - expected)[mask].max())
        if not differences[kind] < _MAX_DIFFERENCE:
            raise UserError(
                f"{folder}: logits differ from the trained model's by "
                f"{differences[kind]:.2e}, at most {_MAX_DIFFERENCE} is allowed"
            )
    return differences


def check_ids(tokenizer: Any, samples: Iterable[dict[str, Any]], folder: str) -> None:
    """The reloaded tokenizer must give the ids used in training.

    Raises:
      UserError: it does not, with the first line that differs.
    """
    for sample in samples:
        ids = tokenizer(sample["text"], add_special_tokens=False)["input_ids"]
        if ids != sample["ids"]:
            raise UserError(
                f"{folder}: the tokenizer gives {ids[:20]} for "
                f"{sample['text'][:80]!r}, training used {sample['ids'][:20]}"
            )


def _walk(folder: str) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(parent, name), folder)


def publish(source: str, target: str) -> None:
    """Copies finished folders to their place, local or remote, each file whole."""
    for name in sorted(_walk(source)):
        path = os.path.join(target, name)
        files.makedirs(os.path.dirname(path))
        with (
            files.atomic_writer(path) as handle,
            open(os.path.join(source, name), "rb") as copy,
        ):
            while block := copy.read(1 << 24):
                handle.write(block)


def convert(model_dir: str, output_dir: str, step: int | None, check: bool) -> None:
    """Writes the folders, checks them, and only then puts them in their place."""
    model, step = checkpoints.load_model(model_dir, step)
    samples = read_samples(model_dir)
    with tempfile.TemporaryDirectory() as temporary:
        write_folders(model, os.path.join(model_dir, vocab.VOCAB_FILE), temporary)
        if check:
            for kind, difference in verify(model, temporary, samples).items():
                logging.info(
                    "%s: loaded by transformers; %d texts give the same ids, logits "
                    "differ by at most %.1e",
                    kind,
                    len(samples),
                    difference,
                )
        publish(temporary, output_dir)
    logging.info("step %d -> %s", step, ", ".join(files.listdir(output_dir)))


def main() -> None:
    output_dir, overwrite = flags.FLAGS.output_dir, flags.FLAGS.overwrite
    manifest.check_output_dir(output_dir, overwrite)
    networks(checkpoints.read_run(flags.FLAGS.model_dir)[0])
    manifest.prepare_output_dir(output_dir, overwrite)
    convert(flags.FLAGS.model_dir, output_dir, flags.FLAGS.step, flags.FLAGS.verify)


if __name__ == "__main__":
    # Defined only here: importing the module must not claim such common flag names.
    flags.DEFINE_string("model_dir", None, "A run's folder, made by run_pretraining.")
    flags.DEFINE_string("output_dir", None, "Folder to write, new or empty.")
    flags.DEFINE_integer("step", None, "Checkpoint to convert; default: the newest.")
    flags.DEFINE_bool("verify", True, "Load the folders with transformers and compare.")
    flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
    flags.mark_flags_as_required(["model_dir", "output_dir"])
    cli.run(main)
