"""The house: a floor imports itself and those below it, and a file holds one idea."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import hwr_jax

FLOORS = ("text", "ink", "layout", "data", "models", "decoding", "training", "evaluation", "zoo", "reports", "commands")
# Below all floors. The config names values of every floor, and imports none.
FOUNDATIONS = (
    "cache",
    "installation",
    "errors",
    "messages",
    "columns",
    "progress",
    "files",
    "nested",
    "renames",
    "strict",
    "mixture_config",
    "model_config",
    "config",
    "page_config",
    "hub",
    "config_files",
    "sweeps",
)
# What a program calls: it stands below the commands and on all other floors.
FACE = (
    *(
        "reading",
        "line_reading",
        "page_image_reader",
        "image_reading",
        "page_output",
        "line_finder",
        "reader",
        "routed_reader",
        "page_reader",
        "page_layouts",
        "result",
        "calibrate",
        "run",
        "page_run",
        "run_start",
        "validation",
        "export",
        "line_finder_export",
        "publish",
        "keras_import",
    ),
    "adaptation",
    "benchmark",
    "review",
    "end_to_end",
    "demo_server",
)
PACKAGE = Path(hwr_jax.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 400


def imports_of(path: Path) -> Iterator[str]:
    """Full names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_parts(path: Path) -> set[str]:
    """What a file imports of hwr_jax: the part after it, "text" for hwr_jax.text.alphabet."""
    names = [name.split(".") for name in imports_of(path)]
    return {name[1] for name in names if name[0] == "hwr_jax" and len(name) > 1}


def allowed(part: str) -> set[str]:
    if part in FOUNDATIONS:
        return set(FOUNDATIONS[: FOUNDATIONS.index(part)])
    if part == "commands":
        return {*FOUNDATIONS, *FLOORS, *FACE}
    if part in FLOORS:
        return {*FOUNDATIONS, *FLOORS[: FLOORS.index(part) + 1]}
    return {*FOUNDATIONS, *FLOORS[:-1], *FACE}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_part_is_known():
    assert {part_of(path) for path in FILES} == {*FLOORS, *FOUNDATIONS, "__init__", *FACE}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_floor_imports_none_above_it(path):
    # "from hwr_jax.errors import InputError" names a part; "from hwr_jax import InputError" the public face itself.
    assert own_parts(path) - {*hwr_jax.__all__} <= allowed(part_of(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_outer_libraries_stay_behind_their_seams(path):
    outer = {name.split(".")[0] for name in imports_of(path)}
    assert not outer & {"experiments", "tests", "tensorflow", "clu", "pickle"}
    assert "orbax" not in outer or path == PACKAGE / "training" / "checkpoint.py"
    assert "flax" not in outer or part_of(path) == "models" or path == PACKAGE / "training" / "state.py"
    assert "optax" not in outer or part_of(path) in ("training", "evaluation")
    assert not {name for name in imports_of(path) if name.startswith(("flax.jax_utils", "flax.training"))}


DOOR = ("ops", "bidirectional", "convolution", "ctc", "dense", "normalization")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_compiled_kernels_have_one_door(path):
    behind = {PACKAGE / "models" / f"{name}.py" for name in DOOR}
    behind |= {PACKAGE / "commands" / f"{name}.py" for name in ("build_kernels", "doctor")}  # which are about them
    knows = any(name.startswith("hwr_jax.models.cpu_kernels") for name in imports_of(path))
    assert not knows or path in behind


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_no_module_imports_itself_by_way_of_others():
    names = {module_name(path) for path in FILES}
    graph = {module_name(path): set(imports_of(path)) & names - {module_name(path)} for path in FILES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"an import circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_not_two(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_rules_can_fail(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text("def f():\n    from hwr_jax.commands import main\n    import hwr_jax.training.step\n")
    assert own_parts(path) == {"commands", "training"}
    assert not own_parts(path) <= allowed("data")
    assert not own_parts(path) <= allowed("reader")
    assert own_parts(path) <= allowed("commands")
