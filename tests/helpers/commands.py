"""The commands of this repository, found by what their modules do when they are run."""

import ast
import dataclasses
import importlib
import inspect
import pathlib
import re

from helpers import ROOT

PACKAGES = ("common", "data_prep", "electra_tf", "tools")


def _main_function(path: pathlib.Path) -> str | None:
    """The function that a command hands to cli.run, if the module is a command."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test):
            called = re.search(r"cli\.run\((\w+)", ast.unparse(node))
            return called[1] if called else None
    return None


def _functions() -> dict[str, str]:
    """Module -> its function."""
    functions = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if function := _main_function(path):
                module = path.relative_to(ROOT).with_suffix("")
                functions[".".join(module.parts)] = function
    return functions


FUNCTIONS = _functions()


def flags(module: str) -> list[dataclasses.Field]:
    """A command's flags, as the fields of its function's dataclasses."""
    function = getattr(importlib.import_module(module), FUNCTIONS[module])
    return [
        field
        for parameter in inspect.signature(function).parameters.values()
        for field in dataclasses.fields(parameter.annotation)
    ]


def output_folder(module: str) -> str | None:
    """The flag that names the folder a command writes."""
    for field in flags(module):
        if field.metadata["writes"] == "folder":
            return field.name
    return None
