"""--help of every command, and the flags that documents pass to commands."""

import json
import pathlib
import re

import pytest
from helpers import ROOT, commands, processes
from helpers.commands import PACKAGES

DOCUMENT_PATHS = [ROOT / name for name in ("README.md", "README.ko.md", "Makefile")]
DOCUMENT_PATHS += sorted((ROOT / "docs").glob("*"))
# Imports that take seconds.
SLOW = ("tensorflow", "torch", "transformers", "sklearn", "jax", "matplotlib")
# absl's own.
COMMON_FLAGS = {"help", "helpfull", "verbosity"}
# Flags that documents name without a command of this repository before them.
OTHER_PROGRAMS = {"accelerator-type", "spot", "config_file"}  # gcloud, transformers


COMMANDS = commands.FUNCTIONS
# Each is run as `python -m` runs it, all in one process.
_PROBE = """
import contextlib, dataclasses, inspect, io, json, runpy, sys
from absl import flags
answers, slow = {}, json.loads(sys.argv[2])
for module, function in json.loads(sys.argv[1]).items():
    sys.argv = [module, "--help"]
    defined, printed = set(flags.FLAGS), io.StringIO()
    with contextlib.redirect_stdout(printed):
        values = runpy.run_module(module, run_name="__main__", alter_sys=True)
    loaded = [name for name in slow if name in sys.modules]
    fields = [
        (field.name, field.default, field.metadata["required"])
        for parameter in inspect.signature(values[function]).parameters.values()
        for field in dataclasses.fields(parameter.annotation)
    ]
    answers[module] = {
        "help": printed.getvalue(),
        "loaded": loaded,
        "fields": fields,
        "description": values["__doc__"],
    }
    for name in set(flags.FLAGS) - defined:
        delattr(flags.FLAGS, name)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, dict]:
    env = processes.environment(COLUMNS="88")
    command = ["-c", _PROBE, json.dumps(COMMANDS), json.dumps(SLOW)]
    return json.loads(processes.check(*command, env=env).out)


def test_commands_are_found():
    assert {"data_prep.clean_corpus", "tools.bench.train"} < set(COMMANDS)


@pytest.mark.parametrize("module", COMMANDS)
def test_help_lists_every_flag_with_its_default(answers, module):
    answer = answers[module]
    assert answer["help"].startswith(answer["description"].strip())
    entries = {}
    for entry in re.split(r"\n  (?=--)", answer["help"])[1:]:
        name = re.match(r"--(?:\[no\])?(\w+)", entry)[1]
        entries[name] = " ".join(entry.split())
    assert list(entries) == [name for name, *_ in answer["fields"]]
    for name, default, required in answer["fields"]:
        if required:
            assert "(required)" in entries[name]
        elif default not in (None, "", []):
            shown = ",".join(default) if isinstance(default, list) else str(default)
            shown = shown.lower() if isinstance(default, bool) else shown
            assert f"(default: {shown})" in entries[name]


def test_help_imports_nothing_slow(answers):
    """All ran in one process, in this order: the first one named is to blame."""
    assert {m: a["loaded"] for m, a in answers.items() if a["loaded"]} == {}


# Words of a flag's name or help that only flags of files and folders have.
_OF_FILES = re.compile(
    r"_dir\b|_file\b|\bfolders?\b|\bfiles?\b|vocab\.txt|\bprefix\b", re.IGNORECASE
)
# Texts about files that name none.
_NO_FILES = {"special_tokens"}


def test_flags_that_name_files_say_so():
    """`reads` and `writes` of a flag keep outputs apart from inputs."""
    undeclared = [
        f"{module} --{field.name}"
        for module in COMMANDS
        for field in commands.flags(module)
        if "str" in str(field.type) and not field.metadata["choices"]
        if _OF_FILES.search(f"{field.name} {field.metadata['help']}")
        if not field.metadata["reads"] and not field.metadata["writes"]
        if field.name not in _NO_FILES
    ]
    assert undeclared == []


def test_flags_are_declared_in_dataclasses_alone():
    defining = []
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if "flags.DEFINE" in path.read_text(encoding="utf-8"):
                defining.append(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert set(defining) == {"common.cli"}


def _snippets(path: pathlib.Path) -> tuple[list[str], list[str]]:
    """Lines of shell in a document's blocks of code, and the code in its sentences."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    if path.name == "Makefile":
        return text.splitlines(), []
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", rest)]
    return "\n".join(blocks).splitlines(), spans


def _module(line: str) -> str | None:
    """The command of this repository that a line of shell runs, by its module."""
    target = re.search(r"\bmake ([a-z-]+)", line)
    if target and "ARGS=" in line:
        return TARGETS[target[1]]
    named = re.search(r"python\S* (?:-m (\w[\w.]+)|(tools/\w+)\.py)", line)
    module = named and (named[1] or named[2].replace("/", "."))
    return module if module and module.split(".")[0] in PACKAGES else None


def _targets() -> dict[str, str | None]:
    """Target of the Makefile -> the command that its ARGS go to."""
    targets, target = {}, ""
    for line in _snippets(ROOT / "Makefile")[0]:
        if heading := re.match(r"([a-z-]+):(?!=)", line):
            target = heading[1]
        if "$(FLAGS)" in line:
            targets[target] = _module(line)
    return targets


TARGETS: dict[str, str | None] = {}
TARGETS |= _targets()


@pytest.mark.parametrize("path", DOCUMENT_PATHS, ids=lambda path: path.name)
def test_documents_run_modules_but_for_the_converter(path):
    lines, spans = _snippets(path)
    files = re.findall(r"python\S* (\w+/\w+\.py)", "\n".join([*lines, *spans]))
    assert set(files) <= {"tools/convert_to_pytorch.py"}


def _flags(line: str) -> list[str]:
    """The flags after the command's name, or in the whole line if it names none."""
    line = re.split("python|ARGS=", line.split(" # ")[0], maxsplit=1)[-1]
    return re.findall(r"--([a-z][\w-]*)", line)


@pytest.mark.parametrize("path", DOCUMENT_PATHS, ids=lambda path: path.name)
def test_flags_in_documents_exist(answers, path):
    flags = {m: {name for name, *_ in a["fields"]} for m, a in answers.items()}
    known = COMMON_FLAGS | OTHER_PROGRAMS | set().union(*flags.values())
    lines, spans = _snippets(path)
    unknown = []
    for line in [*lines, *spans]:
        module = _module(line)
        other = line not in spans or line.startswith("gcloud ")
        if module is None and other:
            continue
        exists = flags[module] | COMMON_FLAGS if module else known
        exists = exists | {f"no{name}" for name in exists}
        unknown += [(line, flag) for flag in _flags(line) if flag not in exists]
    assert not unknown
