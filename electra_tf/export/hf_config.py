"""config.json and the tokenizer's files, as transformers reads them."""

import dataclasses
import json
from typing import Any

from data_prep.vocab import tokenizer_source, vocabulary
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.weights.parameter_names import DISCRIMINATOR, GENERATOR, MASKED_LM

TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
_SPECIAL_TOKENS_FILE = "special_tokens_map.json"
TOKENIZER_FILES = (
    vocabulary.VOCAB_FILE,
    vocabulary.TOKENIZER_FILE,
    TOKENIZER_CONFIG_FILE,
    _SPECIAL_TOKENS_FILE,
)
ARCHITECTURES = {
    DISCRIMINATOR: "ElectraForPreTraining",
    GENERATOR: "ElectraForMaskedLM",
    MASKED_LM: "BertForMaskedLM",
}


def network_config(
    config: PretrainingConfig, transformer: TransformerConfig, kind: str
) -> dict[str, Any]:
    """config.json of one network."""
    family: dict[str, Any] = {"model_type": "bert"}
    if kind != MASKED_LM:
        is_generator, size = kind == GENERATOR, config.resolved_embedding_size
        size = config.generator_embedding_size if is_generator else size
        family = {"model_type": "electra", "embedding_size": size}
    return {
        "architectures": [ARCHITECTURES[kind]],
        **family,
        **encoder_config(transformer),
        "tie_word_embeddings": True,
    }


def encoder_config(transformer: TransformerConfig) -> dict[str, Any]:
    """The part of config.json about the encoder, the same for every family and head."""
    return {
        **dataclasses.asdict(transformer),
        "layer_norm_eps": 1e-12,
        "pad_token_id": vocabulary.PAD_ID,
        "torch_dtype": "float32",
    }


def tokenizer_files(
    source: tokenizer_source.TokenizerFiles, max_seq_length: int, kind: str
) -> dict[str, str]:
    """File name -> content; sets what transformers' defaults get wrong for Korean.

    Args:
      max_seq_length: of the examples trained on.
    """
    tokenizer = json.loads(source.tokenizer_json)
    normalizer = tokenizer["normalizer"] or {}
    is_bert = normalizer.get("type") == "BertNormalizer"
    special: dict[str, str | list[str]] = dict(
        zip(
            ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"),
            vocabulary.SPECIAL_TOKENS,
            strict=True,
        )
    )
    added = [token["content"] for token in tokenizer["added_tokens"]]
    if more := [token for token in added if token not in vocabulary.SPECIAL_TOKENS]:
        special["additional_special_tokens"] = more
    own_class = "BertTokenizer" if kind == MASKED_LM else "ElectraTokenizer"
    settings = {
        "tokenizer_class": own_class if is_bert else "PreTrainedTokenizerFast",
        "do_lower_case": normalizer.get("lowercase", False),
        "strip_accents": False,
        "tokenize_chinese_chars": normalizer.get("handle_chinese_chars", True),
        "model_max_length": max_seq_length,
        **special,
    }
    return {
        vocabulary.VOCAB_FILE: source.vocab_text,
        vocabulary.TOKENIZER_FILE: json.dumps(tokenizer, ensure_ascii=False, indent=2),
        TOKENIZER_CONFIG_FILE: json.dumps(settings, indent=2) + "\n",
        _SPECIAL_TOKENS_FILE: json.dumps(special, indent=2) + "\n",
    }
