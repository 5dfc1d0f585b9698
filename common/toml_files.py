"""Reads TOML: presets, and tables of data beside the modules that use them."""

import os
import sys
from typing import Any

from common import files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read(path: str) -> dict[str, Any]:
    """The contents of a file; a ValueError if it is not TOML."""
    return tomllib.loads(files.read_text(path))


def beside(module_file: str, name: str) -> dict[str, Any]:
    """The contents of a file in the folder of a module, which passes its __file__."""
    return read(os.path.join(os.path.dirname(module_file), name))
