"""`hwr completion`: the scripts complete in the shells themselves, and know every command and flag."""

import json
import shutil
import subprocess

import pytest

from hwr_jax.commands.completion import find_parser
from hwr_jax.commands.main import COMMANDS, main

COMPLETE = """
{script}
COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=($COMP_LINE); COMP_CWORD={index}
_hwr; printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def bash():
    """`bash(line)`: what bash offers at the end of a line."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")

    def complete(line, capture):
        code = COMPLETE.format(script=capture, line=line, index=max(1, line.count(" ")))
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=60)
        assert done.stderr == ""
        return done.stdout.split()

    return complete


@pytest.fixture
def script(capsys):
    assert main(["completion", "bash"]) == 0
    return capsys.readouterr().out


def test_bash_completes_commands_flags_and_values(bash, script, tmp_path):
    assert bash("hwr tr", script) == ["train"]
    assert bash("hwr train --work", script) == ["--workdir="]
    assert bash("hwr evaluate --checkpoint=b", script) == ["best"]
    assert bash("hwr data pre", script) == ["prepare"]
    (tmp_path / "words.png").touch()
    assert bash(f"hwr read {tmp_path}/wo", script) == [str(tmp_path / "words.png")]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "completion"])
def test_every_command_gives_its_parser_and_does_nothing(command):
    parser = find_parser(command)
    assert parser.prog.startswith(f"hwr {command}")


def test_fish_has_a_line_a_command_with_what_it_does(capsys):
    assert main(["completion", "fish"]) == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert f"-a {name} -d " in text
    assert text.count("__fish_seen_subcommand_from") == len(COMMANDS)


def test_zsh_begins_with_what_it_has_of_bash(capsys):
    assert main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out.startswith("autoload -U +X bashcompinit && bashcompinit\n_hwr() {")


def test_quiet_and_levels_are_taken_by_every_command(capsys):
    assert main(["doctor", "--quiet", "--json"]) == 0
    assert "devices" in json.loads(capsys.readouterr().out)
    assert main(["doctor", "--log_level=loud"]) == 1
    assert "--log_level=loud: is none of debug, info, warning, error" in capsys.readouterr().err
