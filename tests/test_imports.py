"""Which module may import which: every import leads to the same or an earlier layer."""

import ast
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
    electra_tf.run_pretraining electra_tf.run_finetuning electra_tf.batch_at
    tools
"""
ROWS = {name: i for i, row in enumerate(LAYERS.splitlines()) for name in row.split()}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_bytes())
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


class Import(NamedTuple):
    """One imported module; `from a import b` counts as `a` and as `a.b`."""

    importer: str
    module: str
    in_function: bool  # it is imported when some function is called


def _imports(importer: str, node: ast.AST, in_function: bool = False):
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(importer, alias.name, in_function)
    if isinstance(node, ast.ImportFrom):
        assert not node.level, f"{importer}: an import relative to the folder"
        yield Import(importer, node.module, in_function)
        for alias in node.names:
            yield Import(importer, f"{node.module}.{alias.name}", in_function)
    for child in ast.iter_child_nodes(node):
        yield from _imports(importer, child, in_function or isinstance(node, FUNCTIONS))


IMPORTS = [i for name, tree in MODULES.items() for i in _imports(name, tree)]


def _importing(*tops: str) -> set[tuple[str, bool]]:
    return {
        (i.importer, i.in_function) for i in IMPORTS if i.module.split(".")[0] in tops
    }


def _layer(module: str) -> int:
    """The row of LAYERS with the longest name that the module lies below."""
    while module not in ROWS:
        module = module.rpartition(".")[0]
    return ROWS[module]


def _loaded(module: str) -> set[str]:
    """What importing a module imports, directly or through others."""
    seen, waiting = set(), [module]
    while waiting:
        importer = waiting.pop()
        new = {i.module for i in IMPORTS if i[::2] == (importer, False)} - seen
        seen |= new
        waiting += new
    return seen


def test_all_packages_are_looked_at():
    assert {i.importer.split(".")[0] for i in IMPORTS} == set(PACKAGES)


def test_imports_lead_to_the_same_or_an_earlier_layer():
    assert not [
        f"{i.importer} imports {i.module}"
        for i in IMPORTS
        if i.module in MODULES and _layer(i.module) > _layer(i.importer)
    ]


def test_no_imports_form_a_circle():
    """Not even those in functions."""
    left = {name: set() for name in MODULES}
    for importer, module, _ in IMPORTS:
        left[importer] |= {module} & MODULES.keys() - {importer}
    while free := [
        name for name, imported in left.items() if not imported & left.keys()
    ]:
        for name in free:
            del left[name]
    assert not left


def test_no_module_imports_a_command():
    """A command of a part (tools/demo/, tools/bench/) may be imported by that part."""
    commands = {
        name
        for name, tree in MODULES.items()
        if name.count(".") == 1
        and any(ast.unparse(n).startswith("if __name__") for n in tree.body)
    }
    assert {"data_prep.clean_corpus", "electra_tf.run_pretraining"} < commands
    assert not [i for i in IMPORTS if i.module in commands]


def test_what_reads_and_scores_tasks_needs_no_tensorflow():
    """Baselines and tables start at once, and read rows as fine-tuning does."""
    folders = ("electra_tf.finetune.kinds.", "electra_tf.finetune.data.")
    names = {name for name in MODULES if name.startswith(folders)}
    assert {
        "electra_tf.finetune.kinds.table",
        "electra_tf.finetune.data.splits",
    } < names
    names |= {"electra_tf.finetune.settings", "electra_tf.finetune.results"}
    assert not {name for name in names if "tensorflow" in _loaded(name)}
    assert "tensorflow" in _loaded("electra_tf.finetune.predict")


def test_torch_and_transformers_are_only_for_comparing_and_the_report():
    assert _importing("torch", "transformers") == {
        ("tools.bench.systems", True),
        ("electra_tf.export.hf_check", True),
        ("electra_tf.export.hf_folder", True),
        ("tools.check_transformers", True),
        ("electra_tf.weights.hf_files", True),
        ("tools.demo.report", True),
    }


def test_only_tools_draw_pictures():
    assert {name.split(".")[0] for name, _ in _importing("matplotlib")} == {"tools"}
