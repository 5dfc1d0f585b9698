"""What the shapes of variables tell of the network they make."""

import re
from collections.abc import Mapping, Sequence

# Matrices that show a size: hyperparameter -> (variable, axis)
SHOWN = {
    "vocab_size": ("embeddings/word_embeddings", 0),
    "embedding_size": ("embeddings/word_embeddings", 1),
    "type_vocab_size": ("embeddings/token_type_embeddings", 0),
    "max_position_embeddings": ("embeddings/position_embeddings", 0),
    "hidden_size": ("encoder/layer_0/attention/self/query/kernel", 0),
    "intermediate_size": ("encoder/layer_0/intermediate/dense/kernel", 1),
}
_LAYER = re.compile(r"^encoder/layer_(\d+)/")


def shown_sizes(shapes: Mapping[str, Sequence[int]], scope: str) -> dict[str, int]:
    """The hyperparameters of one encoder that its variables' shapes tell.

    Args:
      scope: "electra" or "generator"; the latter may have the former's embeddings.
    """
    own = {name[len(scope) + 1 :] for name in shapes if name.startswith(scope + "/")}
    found = {}
    for field, (variable, axis) in SHOWN.items():
        shape = shapes.get(f"{scope}/{variable}", ())
        if not shape and variable.startswith("embeddings/"):
            shape = shapes.get(f"electra/{variable}", ())
        if axis < len(shape):
            found[field] = shape[axis]
    layers = {match[1] for match in map(_LAYER.match, own) if match}
    return found | {"num_hidden_layers": len(layers)}
