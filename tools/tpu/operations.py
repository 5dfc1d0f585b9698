"""Operations of a compiled step: their cycles, by part of the model."""

import collections
import math
import re
from typing import Any, NamedTuple

# Parts by the scopes of step.py; of several open scopes the first one listed here
# counts. A fusion has the name of its last operation, so some of its work may belong to
# the neighbouring part.
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
_FREE = ("bitcast", "constant", "get-tuple-element", "parameter", "tuple")
_HOST = ("infeed", "outfeed", "recv", "recv-done", "send", "send-done")

_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_OPERATION = re.compile(r"^\s+(?:ROOT )?%\S+ = (\(.*?\)|\S+) ([\w-]+)\(")
_NAME = re.compile(r'op_name="([^"]+)"')
_SHAPE = re.compile(r"([a-z]+)(\d*)\[([\d,]*)\]")
_DYNAMIC = re.compile(r"\w+\[[\d,]*<=[^\]]*\]")


class Operation(NamedTuple):
    """One instruction of the entry computation."""

    kind: str
    name: str  # from TensorFlow; "" if the compiler made the operation
    shape: str
    cycles: int | None  # None: the compiler estimates none

    @property
    def part(self) -> str:
        if self.kind in _COPIES:
            return "copies"
        scopes = re.sub(r"_\d+/", "/", self.name + "/")
        for part, names in _PARTS.items():
            if re.search(rf"(^|/|;)({names})\w*/", scopes):
                return part
        return "rest"

    @property
    def result_bytes(self) -> int:
        """Of all results together."""
        return sum(
            math.prod(map(int, filter(None, sizes.split(",")))) * (int(bits or 8) // 8)
            for _, bits, sizes in _SHAPE.findall(self.shape)
        )


def parse(text: str) -> list[Operation]:
    """The operations that take time in an optimized module, without bodies of loops."""
    costly = []
    for line in text[text.index("\nENTRY") :].splitlines():
        operation = _OPERATION.search(line)
        if operation and operation[2] not in _FREE:
            cycles, name = _CYCLES.search(line), _NAME.search(line)
            costly.append(
                Operation(
                    operation[2],
                    name[1] if name else "",
                    re.sub(r"\{[^}]*\}", "", operation[1]),
                    int(cycles[1]) if cycles else None,
                )
            )
    return costly


def unsuitable(text: str) -> list[str]:
    """Operations a TPU cannot run: those of the host, and dynamic shapes."""
    kinds = [_OPERATION.search(line) for line in text.splitlines()]
    on_host = {kind[2] for kind in kinds if kind and kind[2] in _HOST}
    on_host |= set(re.findall(r'custom_call_target="\w*(?:[Hh]ost|callback)\w*"', text))
    return sorted(on_host | set(_DYNAMIC.findall(text)))


def summary(operations: list[Operation]) -> dict[str, Any]:
    """Totals over the operations.

    Loops are counted once. Operations without an estimate count 0 cycles; the GB that
    they write are listed, except for all-reduces, whose time does not depend on memory.
    """
    parts: collections.Counter = collections.Counter()
    unestimated: collections.Counter = collections.Counter()
    all_reduces = 0
    for operation in operations:
        if operation.kind.startswith("all-reduce"):
            all_reduces += not operation.kind.endswith("-done")
        elif operation.cycles is None:
            unestimated[operation.kind] += operation.result_bytes
        else:
            parts[operation.part] += operation.cycles
    return {
        "estimated_cycles": parts.total(),
        "loops": sum(operation.kind == "while" for operation in operations),
        "all_reduces": all_reduces,
        "unestimated_gb": {
            kind: size / 1e9 for kind, size in unestimated.items() if size > 1e6
        },
        "breakdown": dict(parts.most_common()),
    }


def costliest(operations: list[Operation], count: int) -> list[dict[str, Any]]:
    """The costliest operations; the same operation in several layers counts as one."""
    alike = collections.defaultdict(list)
    for operation in operations:
        scopes = re.sub(r"_\d+(?=/|$)", "", operation.name)
        name = re.sub(r"\d+", "N", scopes)
        key = (operation.part, operation.kind, name, operation.shape)
        alike[key].append(operation.cycles or 0)
    largest = sorted(alike.items(), key=lambda item: -sum(item[1]))[:count]
    names = ("part", "kind", "name", "shape", "count", "cycles")
    return [
        dict(zip(names, (*key, len(cycles), sum(cycles)), strict=True))
        for key, cycles in largest
    ]
