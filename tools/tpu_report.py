"""What a compiled step costs: cycles by part of the model, and the table for people."""

import collections
import re
from typing import NamedTuple

# Parts by the names of operations, as tpu_step scopes them; the first match counts.
_PARTS = {
    "random numbers": "stateless_random",
    "optimizer": "optimizer",
    "clipping": "clipping",
    "sampling": "sampling",
    "generator head": "token_head|token_loss",
    "masking": "masking",
    "discriminator head": "replaced_head",
    "layer norm": "layer_norm",
    "embeddings": "embeddings|embeddings_project",
    "dropout": "dropout",
    "attention": "attention",
    "feed-forward": "layer",
}
_COPIES = ("copy", "copy-start", "copy-done")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_KIND = re.compile(r" = (\(.*?\)|\S+) ([\w-]+)\(")
_NAME = re.compile(r'op_name="([^"]+)"')
_HOST = re.compile(r"(?:infeed|outfeed|send|recv)(?:-done)?$")


class Operation(NamedTuple):
    """One instruction of the entry computation."""

    kind: str
    name: str  # that TensorFlow gave it, "" if the compiler made it
    shape: str
    cycles: int

    @property
    def part(self) -> str:
        if self.kind in _COPIES:
            return "copies"
        return next(
            (p for p, pattern in _PARTS if re.search(pattern, self.name)), "rest"
        )


def operations(text: str) -> list[Operation]:
    """Those of an optimized module that the compiler estimates a time for."""
    found = []
    for line in text[text.index("\nENTRY") :].splitlines():
        cycles, kind = _CYCLES.search(line), _KIND.search(line)
        if cycles and kind:
            name = _NAME.search(line)
            shape = re.sub(r"\{[^}]*\}", "", kind[1])
            found.append(
                Operation(kind[2], name[1] if name else "", shape, int(cycles[1]))
            )
    return found


def breakdown(found: list[Operation]) -> dict[str, int]:
    """Cycles by part, the costliest first."""
    cycles = collections.Counter()
    for operation in found:
        cycles[operation.part] += operation.cycles
    return dict(cycles.most_common())


def top_operations(found: list[Operation], count: int) -> list[dict]:
    """The costliest; those alike in all layers are one."""
    cycles, times = collections.Counter(), collections.Counter()
    for operation in found:
        name = re.sub(r"\d+", "N", operation.name)
        key = (operation.part, operation.kind, name, operation.shape)
        cycles[key] += operation.cycles
        times[key] += 1
    fields = ("part", "kind", "name", "shape")
    return [
        {**dict(zip(fields, key, strict=True)), "count": times[key], "cycles": total}
        for key, total in cycles.most_common(count)
    ]
