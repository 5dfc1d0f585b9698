"""Which package may import which: every arrow leads to an earlier layer."""

import ast
import functools
import pathlib
from typing import NamedTuple

from helpers import ROOT

PACKAGES = ("common", "data_prep", "electra_tf", "tools")

# Each may import the earlier ones and itself. A folder stands for the modules below it
# that no longer entry names.
LAYERS = """
    common
    data_prep.rules data_prep.raw
    data_prep.stages
    data_prep.clean
    data_prep.vocab
    data_prep.records
    data_prep
    electra_tf
    electra_tf.model
    electra_tf.devices electra_tf.optimizer
    electra_tf.run_folder
    electra_tf.weights
    electra_tf.pretrain
    electra_tf.export
    electra_tf.finetune.settings
    electra_tf.finetune.kinds
    electra_tf.finetune.data
    electra_tf.finetune
    electra_tf.run_pretraining electra_tf.run_finetuning
    tools
"""


class Import(NamedTuple):
    """One imported module, by its dotted name."""

    importer: str  # A path below ROOT.
    module: str
    in_function: bool


def _files() -> list[pathlib.Path]:
    return sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def _modules(node: ast.AST, package: str) -> list[str]:
    """What a statement imports; `from a import b` counts as `a` and as `a.b`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parts = package.split(".")
        above = parts[: len(parts) - node.level + 1]
        base = ".".join([*above, base] if base else above)
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def _walk(node: ast.AST, in_function: bool = False):
    """(node, whether it runs only when some function is called)."""
    for child in ast.iter_child_nodes(node):
        yield child, in_function
        functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        yield from _walk(child, in_function or isinstance(child, functions))


@functools.cache
def _imports() -> tuple[Import, ...]:
    found = []
    for path in _files():
        relative = path.relative_to(ROOT)
        package = ".".join(relative.parts[:-1])
        for node, in_function in _walk(ast.parse(path.read_text(encoding="utf-8"))):
            for module in _modules(node, package):
                found.append(Import(str(relative), module, in_function))
    return tuple(found)


def _importing(*tops: str) -> list[Import]:
    return [i for i in _imports() if i.module.split(".")[0] in tops]


def _is_script(path: pathlib.Path) -> bool:
    """Whether the module is a command, other than a part's own."""
    if len(path.relative_to(ROOT).parts) > 2:
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)
        for node in tree.body
    )


@functools.cache
def _module_names() -> frozenset[str]:
    return frozenset(
        str(path.relative_to(ROOT)).removesuffix(".py").replace("/", ".")
        for path in _files()
    )


def _layer(module: str) -> int:
    """The row of LAYERS with the longest name that the module lies below."""
    rows = {
        name: row
        for row, line in enumerate(LAYERS.split("\n"))
        for name in line.split()
    }
    while module not in rows:
        module = module.rpartition(".")[0]
    return rows[module]


def test_all_packages_are_looked_at():
    assert len(_files()) > 20
    assert {i.importer.split("/")[0] for i in _imports()} == set(PACKAGES)


def test_imports_lead_to_the_same_or_an_earlier_layer():
    upwards = []
    for importer, module, _ in _imports():
        name = importer.removesuffix(".py").replace("/", ".")
        if module in _module_names() and _layer(module) > _layer(name):
            upwards.append(f"{importer} imports {module}")
    assert not upwards


def test_no_folder_has_more_than_sixteen_modules():
    folders = [path.parent for path in _files() if path.name != "__init__.py"]
    assert not {str(f) for f in folders if folders.count(f) > 16}


def test_no_file_name_repeats_its_folders():
    for path in _files():
        assert path.parent.name not in path.stem.split("_"), path


def _loaded(module: str) -> set[str]:
    """What importing a module of the project imports, directly or through others."""
    by_importer: dict[str, set[str]] = {}
    for found in _imports():
        name = found.importer.removesuffix(".py").replace("/", ".")
        if not found.in_function:
            by_importer.setdefault(name, set()).add(found.module)
    seen, waiting = set(), [module]
    while waiting:
        new = by_importer.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def test_what_reads_and_scores_tasks_needs_no_tensorflow():
    """Baselines and tables start at once, and read rows as fine-tuning does."""
    names = {
        name
        for name in _module_names()
        if name.startswith(("electra_tf.finetune.kinds.", "electra_tf.finetune.data."))
    }
    assert {f"electra_tf.finetune.{n}" for n in ("kinds.table", "data.splits")} < names
    names |= {"electra_tf.finetune.settings", "electra_tf.finetune.results"}
    assert {name for name in names if "tensorflow" in _loaded(name)} == set()
    assert "tensorflow" in _loaded("electra_tf.finetune.predict")


def test_no_module_imports_a_script():
    scripts = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in _files()
        if _is_script(path)
    }
    assert "data_prep.clean_corpus" in scripts  # the rule below is not empty
    assert "electra_tf.run_pretraining" in scripts
    assert not [i for i in _imports() if i.module in scripts]


def test_torch_and_transformers_are_only_for_comparing_and_the_report():
    found = {(i.importer, i.in_function) for i in _importing("torch", "transformers")}
    assert found == {
        ("tools/bench/systems.py", True),
        ("electra_tf/export/hf_check.py", True),
        ("electra_tf/export/hf_folder.py", True),
        ("tools/check_transformers.py", False),
        ("electra_tf/weights/hf_files.py", True),
        ("tools/demo/report.py", True),
    }


def test_only_tools_draw_pictures():
    assert {i.importer.split("/")[0] for i in _importing("matplotlib")} == {"tools"}
