"""config.json and the tokenizer's files, as transformers reads them."""

import json
import os
from typing import Any

from data_prep import files, vocab
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.interchange.names import DISCRIMINATOR, GENERATOR

ARCHITECTURES = {
    DISCRIMINATOR: "ElectraForPreTraining",
    GENERATOR: "ElectraForMaskedLM",
}


def electra_config(
    config: PretrainingConfig, transformer: TransformerConfig, kind: str
) -> dict[str, Any]:
    """config.json of one network."""
    small_table = kind == GENERATOR and config.untied_generator_embeddings
    size = transformer.hidden_size if small_table else config.resolved_embedding_size
    return {
        "architectures": [ARCHITECTURES[kind]],
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
    special: dict[str, str | list[str]] = dict(
        zip(
            ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"),
            vocab.SPECIAL_TOKENS,
            strict=True,
        )
    )
    added = [token["content"] for token in tokenizer["added_tokens"]]
    if more := [token for token in added if token not in vocab.SPECIAL_TOKENS]:
        special["additional_special_tokens"] = more
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
