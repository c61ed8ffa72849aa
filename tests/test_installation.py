"""What is installed: requirements read from metadata, and versions compared."""

import pytest

from hwr_jax.installation import find_required, parse_required

LINES = [
    "jax<0.12,>=0.7",
    "numpy>=2",
    'jax[tpu]>=0.7; extra == "tpu"',
    'keras>=3.10; extra == "keras"',
    'pywin32>=300; sys_platform == "no_such_system"',
    "never ? read",
]
OF_JAX = ["numpy>=1", 'libtpu==0.0.17; extra == "tpu"', 'nvidia; extra == "cuda"']


def required(installed: dict[str, str]) -> dict[tuple[str, str], bool]:
    found = parse_required(LINES, installed.get, lambda name: OF_JAX if name == "jax" else [])
    return {(one.extra, one.name): one.is_right for one in found}


def test_requirements_stand_by_extra_with_those_of_extras_of_others() -> None:
    assert required({"jax": "0.10.2", "numpy": "1.26", "libtpu": "0.0.17"}) == {
        ("", "jax"): True,
        ("", "numpy"): False,
        ("keras", "keras"): False,
        ("tpu", "jax"): True,
        ("tpu", "libtpu"): True,
    }


@pytest.mark.parametrize(("version", "right"), [("0.6.2", False), ("0.7", True), ("0.11.1", True), ("0.12.0", False)])
def test_versions_are_compared_as_pip_does(version: str, right: bool) -> None:
    assert required({"jax": version})["", "jax"] is right


def test_what_is_wrong_is_said_with_what_to_do() -> None:
    missing, old = parse_required(["keras>=3", "numpy>=2"], {"numpy": "1.26"}.get, lambda name: [])
    assert missing.describe() == "keras is not installed; pip install 'keras>=3'"
    assert old.describe() == "numpy 1.26 is installed; pip install 'numpy>=2'"


def test_this_installation_is_right() -> None:
    ours = [one for one in find_required() if not one.extra]
    assert {"jax", "flax", "optax", "numpy"} <= {one.name for one in ours}
    assert [one.describe() for one in ours if not one.is_right] == []
