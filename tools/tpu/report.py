"""What a compiled step costs: cycles by part of the model, and the table for people."""

import collections
import math
import re
from typing import Any, NamedTuple

# Parts by the scopes that tpu_step opens; where several are open, the first one here
# counts. A fusion has the name of its last operation: part of what it does may belong
# to the neighbour.
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
    name: str  # that TensorFlow gave it, "" if the compiler made it
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


def operations(text: str) -> list[Operation]:
    """Those that an optimized module spends time in, loops' bodies not among them."""
    found = []
    for line in text[text.index("\nENTRY") :].splitlines():
        operation = _OPERATION.search(line)
        if operation and operation[2] not in _FREE:
            cycles, name = _CYCLES.search(line), _NAME.search(line)
            found.append(
                Operation(
                    operation[2],
                    name[1] if name else "",
                    re.sub(r"\{[^}]*\}", "", operation[1]),
                    int(cycles[1]) if cycles else None,
                )
            )
    return found


def unsuitable(text: str) -> list[str]:
    """What must not be in a module: host operations, shapes known only as it runs."""
    kinds = [_OPERATION.search(line) for line in text.splitlines()]
    on_host = {kind[2] for kind in kinds if kind and kind[2] in _HOST}
    on_host |= set(re.findall(r'custom_call_target="\w*(?:[Hh]ost|callback)\w*"', text))
    return sorted(on_host | set(_DYNAMIC.findall(text)))


def summary(found: list[Operation]) -> dict[str, Any]:
    """The numbers that operations add up to.

    Loops are counted once. Operations without an estimate count 0 cycles; GB of what
    they write stand beside them, but for all-reduces: not memory sets their time.
    """
    parts: collections.Counter = collections.Counter()
    unestimated: collections.Counter = collections.Counter()
    all_reduces = 0
    for operation in found:
        if operation.kind.startswith("all-reduce"):
            all_reduces += not operation.kind.endswith("-done")
        elif operation.cycles is None:
            unestimated[operation.kind] += operation.result_bytes
        else:
            parts[operation.part] += operation.cycles
    return {
        "estimated_cycles": parts.total(),
        "loops": sum(operation.kind == "while" for operation in found),
        "all_reduces": all_reduces,
        "unestimated_gb": {
            kind: size / 1e9 for kind, size in unestimated.items() if size > 1e6
        },
        "breakdown": dict(parts.most_common()),
    }


def top_operations(found: list[Operation], count: int) -> list[dict[str, Any]]:
    """The costliest; those alike in several layers are one."""
    alike = collections.defaultdict(list)
    for operation in found:
        scopes = re.sub(r"_\d+(?=/|$)", "", operation.name)
        name = re.sub(r"\d+", "N", scopes)
        key = (operation.part, operation.kind, name, operation.shape)
        alike[key].append(operation.cycles or 0)
    costliest = sorted(alike.items(), key=lambda item: -sum(item[1]))[:count]
    return [
        {
            **dict(zip(("part", "kind", "name", "shape"), key, strict=True)),
            "count": len(cycles),
            "cycles": sum(cycles),
        }
        for key, cycles in costliest
    ]


def table(values: dict[str, Any]) -> str:
    """For people, from the values that tpu_cost prints as JSON."""
    lines = [
        f"{values['topology']}: {values['replicas']} replicas, "
        f"{values['rows_per_core']} rows each, {values['compute_dtype']}, "
        f"{values['parameters']:,} parameters",
        f"  HBM per core      {values['hbm_gib_per_core']:.4g} GiB of "
        f"{values['hbm_gib']}: {'fits' if values['fits'] else 'DOES NOT FIT'}",
    ]
    if "estimated_cycles" in values:
        lines += _speed(values) + _shares(values) + _costliest(values)
    return "\n".join(lines)


def _speed(values: dict[str, Any]) -> list[str]:
    unestimated = ", ".join(
        f"{kind} writes {size:.3g} GB"
        for kind, size in values["unestimated_gb"].items()
    )
    lines = [
        f"  arithmetic        {values['tflop_per_core']:.3g} TFLOP per core, of which "
        f"the model needs {values['model_tflop_per_core']:.3g}",
        f"  memory traffic    {values['gb_moved_per_core']:.4g} GB per core",
        f"  estimated step    {values['estimated_seconds']:.3g} s "
        f"({values['estimated_cycles']:,} cycles)",
        f"  share of peak     {values['mfu']:.1%} of "
        f"{values['peak_tflops']:.1f} TFLOP/s",
        f"  steps per day     {values['steps_per_day']:,.0f}",
        f"  whole run         {values['days']:.3g} days for "
        f"{values['num_train_steps']:,} steps",
        f"  all-reduces       {values['all_reduces']}, without an estimate; by the "
        f"links' bandwidth at least {values['all_reduce_seconds']:.3g} s more",
        f"  no estimate for   {unestimated or 'nothing'}; at least "
        f"{values['unestimated_seconds']:.3g} s more",
    ]
    if values["loops"]:
        lines.append(f"  counted once      {values['loops']} loops: it takes longer")
    return lines


def _shares(values: dict[str, Any]) -> list[str]:
    total = values["estimated_cycles"]
    return ["", f"  {'part':<20}{'share':>7}{'seconds':>10}{'cycles':>16}"] + [
        f"  {part:<20}{cycles / total:>7.1%}"
        f"{values['estimated_seconds'] * cycles / total:>10.3g}{cycles:>16,}"
        for part, cycles in values["breakdown"].items()
    ]


def _costliest(values: dict[str, Any]) -> list[str]:
    return ["", "  costliest operations"] + [
        f"  {operation['cycles'] / values['estimated_cycles']:>6.1%} "
        f"{operation['count']:>3} x {operation['kind']} {operation['shape'][:60]} "
        f"{operation['name'][-70:]}"
        for operation in values["top_operations"]
    ]
