"""A recipe's steps as TensorFlow operations, as far as these can be exactly the same.

What takes whole emoji, lookahead or Unicode's word boundaries is out of reach of
TensorFlow's regular expressions (RE2), and left out.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_prep.rules.characters import SPACE, regex_class
from electra_tf.export import clean_steps
from electra_tf.export.clean_steps import Rules

# string [N] -> string [N], UTF-8
Operation = Callable[[tf.Tensor], tf.Tensor]

# Rules whose steps mean the same here. The others' patterns do not: RE2's \w, \s and \b
# know ASCII alone.
_SAME_PATTERN = frozenset({"keep_published", "replace_ooo"})


def operations(rules: Rules) -> tuple[Operation, list[str], list[str]]:
    """A recipe's rules as one operation.

    Returns:
      The operation; the names of the rules that it carries out; those left out.
    """
    found, included, omitted = [], [], []
    for name, options in rules:
        steps = clean_steps.of_rule(name, options)
        make = _OPERATIONS | ({"sub": _sub} if name in _SAME_PATTERN else {})
        if all(step[0] in make for step in steps):
            found += [make[operation](*rest) for operation, *rest in steps]
            included.append(name)
        else:
            omitted.append(name)

    def clean(texts: tf.Tensor) -> tf.Tensor:
        return functools.reduce(lambda x, apply: apply(x), found, texts)

    return clean, included, omitted


def _sub(pattern: str, replacement: str) -> Operation:
    return lambda texts: tf.strings.regex_replace(texts, pattern, replacement)


def _nfc() -> Operation:
    import tensorflow_text

    return lambda texts: tensorflow_text.normalize_utf8(texts, "NFC")


def _translate(source: str, target: str) -> Operation:
    """Replaces characters, none of which is beyond the basic plane."""
    table = np.arange(1 << 16, dtype=np.int32)
    table[[ord(c) for c in source]] = [ord(c) for c in target]
    table = tf.constant(table)

    def translate(texts: tf.Tensor) -> tf.Tensor:
        rows = tf.strings.unicode_decode(texts, "UTF-8")
        codes = rows.flat_values
        is_basic = codes < table.shape[0]
        mapped = tf.gather(table, tf.where(is_basic, codes, 0))
        mapped = rows.with_flat_values(tf.where(is_basic, mapped, codes))
        return tf.strings.unicode_encode(mapped, "UTF-8")

    return translate


def _strip() -> Operation:
    space = regex_class(SPACE)
    return _sub(f"^[{space}]+|[{space}]+$", "")


def _squeeze_space() -> Operation:
    squeeze = _sub(f"[{regex_class(SPACE)}]+", " ")
    return lambda texts: tf.strings.strip(squeeze(texts))


# From the arguments of a step to the operation.
_OPERATIONS: dict[str, Callable[..., Operation]] = {
    "nfc": _nfc,
    "translate": _translate,
    "squeeze_space": _squeeze_space,
    "strip": _strip,
}
