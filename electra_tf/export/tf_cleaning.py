"""A recipe's rules as TensorFlow operations, if the results are exactly the same.

Whole emoji, lookahead and Unicode's word boundaries are beyond TensorFlow's regular
expressions (RE2). Rules that need them are left out.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_prep.rules.characters import SPACE, regex_class
from data_prep.rules.recipes import Rules
from data_prep.rules.table import RULES

# string [N] -> string [N], UTF-8
Operation = Callable[[tf.Tensor], tf.Tensor]


def operations(rules: Rules) -> tuple[Operation, list[str], list[str]]:
    """A recipe's rules as one operation.

    Returns:
      The operation; the names of the rules that it includes; the names of the others.
    """
    steps, included, omitted = [], [], []
    for name, options in rules:
        rule = RULES[name](**options)
        makers = _MAKERS | ({"sub": _sub} if rule.same_in_re2 else {})
        if all(step[0] in makers for step in rule.steps):
            steps += [makers[kind](*arguments) for kind, *arguments in rule.steps]
            included.append(name)
        else:
            omitted.append(name)

    def clean(texts: tf.Tensor) -> tf.Tensor:
        return functools.reduce(lambda x, apply: apply(x), steps, texts)

    return clean, included, omitted


def _sub(pattern: str, replacement: str) -> Operation:
    return lambda texts: tf.strings.regex_replace(texts, pattern, replacement)


def _nfc() -> Operation:
    import tensorflow_text

    return lambda texts: tensorflow_text.normalize_utf8(texts, "NFC")


def _translate(source: str, target: str) -> Operation:
    """Replaces characters of the basic plane by others of it."""
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


# For a kind of step, from its arguments to the operation.
_MAKERS: dict[str, Callable[..., Operation]] = {
    "nfc": _nfc,
    "translate": _translate,
    "squeeze_space": _squeeze_space,
    "strip": _strip,
}
