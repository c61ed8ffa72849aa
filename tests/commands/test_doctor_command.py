"""`hwr doctor`, as it runs."""

import json

import pytest

from hwr_jax.commands import doctor, main
from hwr_jax.installation import Required


def test_it_says_what_there_is(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HWR_JAX_DATA_DIR", raising=False)
    status = main.main(["doctor"])
    text = capsys.readouterr().out
    assert status == 0
    for line in ("devices", "kernels", "C++ compiler", "cache: programs", "prepared data", "extra keras"):
        assert f"\n{line}" in text
    assert f"none in {tmp_path / 'hwr_jax' / 'data'}" in text
    assert text.endswith("\nnothing is wrong\n")


def test_json_holds_the_same(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main.main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["wrong"] == []
    assert findings["devices"][0].startswith("cpu")
    assert findings["cached"]["kernels"]["folder"] == str(tmp_path / "hwr_jax" / "kernels")


def test_what_is_wrong_is_named_and_gives_status_1(capsys, monkeypatch) -> None:
    too_old = Required("jax", "", "<0.12,>=0.7", "0.4.1")
    monkeypatch.setattr("hwr_jax.installation.find_required", lambda: [too_old])
    monkeypatch.setattr(doctor, "_LEAST_FREE_BYTES", 10**18)
    assert main.main(["doctor"]) == 1
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wrong: ")]
    assert wrong[0] == "wrong: jax 0.4.1 is installed; pip install 'jax<0.12,>=0.7'"
    assert len(wrong) == 2
    assert "prepared data and checkpoints may need more" in wrong[1]


@pytest.mark.parametrize("flag", ["--verbose", "extra"])
def test_it_takes_nothing_else(capsys, flag) -> None:
    assert main.main(["doctor", flag]) == 1
    assert capsys.readouterr().err.startswith("hwr doctor: ")
