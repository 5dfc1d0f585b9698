"""cleaning.py for the users of a model: its corpus's recipe in one file of Python.

The file is cleaning_template.py with the recipe's steps filled in. Personal data is
found by the pipeline's own module, copied in: it too needs nothing but Python.
"""

import base64
import inspect
import zlib

from data_prep.rules import characters, cleaning_template, emoji_table, pii
from data_prep.rules.recipes import Rules
from data_prep.rules.table import RULES

FILE = "cleaning.py"
_LINE = 76
_IMPORT = f"from {pii.__name__} import find\n"
_EMOJI_IMPORT = f"from {emoji_table.__name__} import EMOJI, EMOJI_COMPONENTS\n"
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
        _EMOJI_IMPORT: _emoji(bool(operations & _NEEDS_EMOJI)),
    }
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
    keycap_end = f"KEYCAP_END = {ascii(characters.KEYCAP_END)}\n"
    return text.replace(f"from {characters.__name__} import KEYCAP_END\n", keycap_end)


def _emoji(needed: bool) -> str:
    """The frozen table, with all sequences compressed; empty if no step needs it."""
    if not needed:
        return 'EMOJI, EMOJI_COMPONENTS = frozenset(), ""\n'
    sequences = " ".join(sorted(emoji_table.EMOJI)).encode("utf-8")
    packed = base64.b85encode(zlib.compress(sequences, 9)).decode("ascii")
    lines = [packed[i : i + _LINE] for i in range(0, len(packed), _LINE)]
    listed = "".join(f'    "{line}"\n' for line in lines)
    return (
        "import base64\nimport zlib\n\n"
        f"# All emoji sequences, compressed.\n_PACKED = (\n{listed})\n"
        'EMOJI = zlib.decompress(base64.b85decode(_PACKED)).decode("utf-8")\n'
        "EMOJI = frozenset(EMOJI.split())\n"
        f"# Skin tones and hair.\n"
        f"EMOJI_COMPONENTS = {ascii(emoji_table.EMOJI_COMPONENTS)}\n"
    )
