"""cleaning.py for the users of a model: its corpus's recipe in one file of Python.

The file is cleaning_template.py with the recipe's steps filled in. Personal data is
found by the pipeline's own module, copied in: it too needs nothing but Python.
"""

import base64
import inspect
import zlib

import emoji

from data_prep.rules import cleaning_template, emoji_text, pii
from data_prep.rules.recipes import Rules
from data_prep.rules.table import RULES

FILE = "cleaning.py"
_LINE = 76
_IMPORT = f"from {pii.__name__} import find\n"
_NEEDS_EMOJI = {"sub_outside_emoji", "shorten_emoji", "remove_emoji"}


def source(rules: Rules, description: str) -> str:
    """The content of cleaning.py.

    Args:
      description: one line about the recipe, for the docstring.
    """
    steps = [step for name, options in rules for step in RULES[name](**options).steps]
    operations = {step[0] for step in steps}
    listed = "".join(f"    {ascii(step)},\n" for step in steps)
    replacements = {
        "DESCRIPTION": description,
        "STEPS = ()": f"STEPS = (\n{listed})",
        'EMOJI_COMPONENTS = ""': f"EMOJI_COMPONENTS = {ascii(_emoji_components())}",
    }
    if operations & _NEEDS_EMOJI:
        replacements['EMOJI = ""'] = f"EMOJI = (\n{_packed_emoji()})"
    if "mask_pii" in operations:
        replacements[_IMPORT] = _source_of_pii()
    else:
        function = inspect.getsource(cleaning_template._mask_pii) + "\n\n"
        replacements |= {_IMPORT: "", function: "", '    "mask_pii": _mask_pii,\n': ""}
    text = inspect.getsource(cleaning_template)
    for placeholder, value in replacements.items():
        text = text.replace(placeholder, value, 1)
    return text


def _source_of_pii() -> str:
    """The module pii with the value of what it imports from its package."""
    text = inspect.getsource(pii)
    keycap_end = f"KEYCAP_END = {ascii(emoji_text.KEYCAP_END)}\n"
    return text.replace(f"from {emoji_text.__name__} import KEYCAP_END\n", keycap_end)


def _packed_emoji() -> str:
    sequences = " ".join(sorted(emoji.EMOJI_DATA)).encode("utf-8")
    packed = base64.b85encode(zlib.compress(sequences, 9)).decode("ascii")
    lines = [packed[i : i + _LINE] for i in range(0, len(packed), _LINE)]
    return "".join(f'    "{line}"\n' for line in lines)


def _emoji_components() -> str:
    status = emoji.STATUS["component"]
    return "".join(
        sorted(e for e, data in emoji.EMOJI_DATA.items() if data["status"] == status)
    )
