"""What a compiled program does, read from its text: operations, how often they run, and the compiler's cycles."""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping

from experiments.compile_for.machine_code import find_body

# These take no time of their own.
_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional", "call", "after-all"}
_FREE |= {"partition-id", "replica-id", "add-dependency", "opt-barrier"}
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$")
_CALLED = re.compile(r"\b(?:calls|to_apply|true_computation|false_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")


@dataclasses.dataclass(frozen=True)
class _Instruction:
    name: str
    shape: str
    op: str
    rest: str  # operands and attributes

    @property
    def operands(self) -> list[str]:
        return re.findall(r"%([\w.\-]+)", self.rest.partition("), ")[0])

    def attribute(self, pattern: str) -> str:
        found = re.search(pattern, self.rest)
        return found[1] if found else ""


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operation of a program."""

    kind: str  # as the compiler calls it: fusion, convolution, custom-call
    shape: str  # of its result
    source: str  # the traced functions that it comes from
    times: int  # that it runs in one run of the program
    cycles: int  # that the compiler says it takes, all times; 0 where it says nothing
    gathered: int  # elements that it gathers, all times, for which the compiler counts nothing
    bundles: int = 0  # of a kernel of ours: instructions of its machine code, all times
    moved: int = 0  # bytes of a kernel's operands and results in the chip's large memory, all times


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop of a program."""

    trips: int | None  # None: not known
    size: int  # operations of its body
    source: str
    cycles: int  # of its operations and those of loops within, all trips


@dataclasses.dataclass(frozen=True)
class Described:
    """All operations that run, and all loops."""

    operations: tuple[Operation, ...]
    loops: tuple[Loop, ...]

    @property
    def cycles(self) -> int:
        return sum(one.cycles for one in self.operations)

    def kernel_seconds(self, hertz: float, bandwidth: float) -> float:
        """Of our own kernels, for which the compiler counts no cycles: the longer of code and memory, without waits."""
        return sum(max(one.bundles / hertz, one.moved / bandwidth) for one in self.operations if one.bundles)

    @property
    def launches(self) -> int:
        """Kernels that a GPU is asked to start."""
        return sum(one.times for one in self.operations if not one.kind.endswith("-done"))


def describe(text: str, bundles_of: Mapping[str, int] | None = None) -> Described:
    """Reads an optimised module. A loop whose trips are not known counts once; of a conditional all branches count.

    `bundles_of` are those of kernels of ours, see `experiments.compile_for.machine_code`.
    """
    computations, entry = _read(text)
    loops: list[Loop] = []

    def visit(name: str, times: int) -> Iterator[Operation]:
        instructions = computations.get(name, {})
        for one in instructions.values():
            if one.op == "while":
                trips = _count_trips(computations, instructions, one)
                body = one.attribute(r"body=%?([\w.\-]+)")
                within = list(visit(body, times * (trips or 1)))
                size = sum(inner.op not in _FREE for inner in computations.get(body, {}).values())
                loops.append(Loop(trips, size, _source(one), sum(inner.cycles for inner in within)))
                yield from within
            elif one.op in ("conditional", "call"):
                branches = re.findall(r"[\w.\-]+", one.attribute(_BRANCHES.pattern)) or _CALLED.findall(one.rest)
                for branch in branches:
                    yield from visit(branch, times)
            elif one.op not in _FREE:
                cycles = int(one.attribute(r'"estimated_cycles":"(\d+)"') or 0)
                gathered = 0 if cycles else times * _count_gathered(computations, one)
                runs = times * int(one.attribute(r'"grid_steps":"(\d+)"') or 1)
                bundles = runs * (bundles_of or {}).get(find_body(one.rest), 0)
                shapes = [one.shape, *(instructions[name].shape for name in one.operands)] if bundles else []
                moved = times * sum(map(_count_bytes, shapes))
                yield Operation(one.op, one.shape, _source(one), times, times * cycles, gathered, bundles, moved)

    return Described(tuple(visit(entry, 1)), tuple(loops))


def _read(text: str) -> tuple[dict[str, dict[str, _Instruction]], str]:
    """Instructions by computation and name, and the name of the computation that is run."""
    computations: dict[str, dict[str, _Instruction]] = {}
    entry, current = "", None
    # A kernel's own words stand on lines of their own.
    for line in re.sub(r"\{\n(\".*\")\n\}", r"{\1}", text).splitlines():
        if head := _COMPUTATION.match(line):
            current = computations.setdefault(head[2], {})
            entry = head[2] if head[1] else entry
        elif current is not None and (found := _INSTRUCTION.match(line)):
            current[found[1]] = _Instruction(*found.groups())
    return computations, entry


def _source(one: _Instruction) -> str:
    return "/".join(one.attribute(r'op_name="([^"]*)"').split("/")[-4:])


def _count_trips(
    computations: dict[str, dict[str, _Instruction]], around: dict[str, _Instruction], loop: _Instruction
) -> int | None:
    """The bound that the condition compares with: a constant in it, or of the tuple that the loop starts with."""
    if known := loop.attribute(r'"known_trip_count":\{"n":"(\d+)"\}'):
        return int(known)
    condition = computations.get(loop.attribute(r"condition=%?([\w.\-]+)"), {})
    starts = around[loop.operands[0]].operands if loop.operands and loop.operands[0] in around else []

    def constant(one: _Instruction | None) -> int | None:
        while one is not None and one.op in ("copy", "bitcast") and one.operands:
            one = around.get(one.operands[0])
        return int(one.rest.partition(")")[0]) if one is not None and re.match(r"\d+\)", one.rest) else None

    bounds = []
    for one in condition.values():
        if one.op == "constant":
            bounds.append(constant(one))
        elif one.op == "get-tuple-element" and (index := int(one.attribute(r"index=(\d+)"))) < len(starts):
            bounds.append(constant(around.get(starts[index])))
    return max(filter(None, bounds), default=None)


def _count_gathered(computations: dict[str, dict[str, _Instruction]], one: _Instruction) -> int:
    inner = computations.get(one.attribute(r"calls=%?([\w.\-]+)"), {}).values() if one.op == "fusion" else [one]
    return sum(_count_elements(each.shape) for each in inner if each.op == "gather")


def _count_elements(shape: str) -> int:
    total = 1
    for size in re.findall(r"\d+", re.sub(r"^\w+\[([\d,]*)\].*", r"\1", shape)):
        total *= int(size)
    return total


def _count_bytes(shape: str) -> int:
    """Of the arrays of a shape that lie in the chip's large memory: S(n) tells another one."""
    total = 0
    for bits, sizes, layout in re.findall(r"\b[a-z]+(\d+)\[([\d,]*)\](\{[^}]*\})?", shape):
        if "S(" not in layout:
            total += int(bits) // 8 * math.prod(int(size) for size in sizes.split(",") if size)
    return total
