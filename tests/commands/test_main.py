"""`hwr`: usage, unknown commands, and errors in one line with status 1."""

import io
import os
import subprocess
import sys

import pytest

import hwr_jax
from hwr_jax.commands import show
from hwr_jax.commands.main import COMMANDS, main
from hwr_jax.commands.options import keep_programs, print_json, run
from hwr_jax.errors import InputError


@pytest.mark.parametrize("argv", [[], ["-h"], ["--help"], ["help"]])
def test_usage_names_every_command(argv, capsys):
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("usage: hwr COMMAND")
    assert all(name in out for name in ("train", "evaluate", "read", "data", "show", "export"))
    assert "hwr train --config=quickstart" in out


def test_the_version_and_the_help_of_a_command(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hwr_jax {hwr_jax.__version__}\n"
    with pytest.raises(SystemExit):
        main(["help", "show"])
    assert capsys.readouterr().out.startswith("usage: hwr show ")
    assert main(["help", "shwo"]) == 1
    assert "did you mean 'show'?" in capsys.readouterr().err


def test_show_takes_a_config_whose_alphabet_the_data_tell(capsys):
    assert main(["show", "--config=copiste_lines"]) == 0
    out = capsys.readouterr().out
    assert "The alphabet comes from the training data; this is with iam79, 79 characters." in out
    assert "424,210" in out


def test_an_unknown_command_is_wrong_input(capsys):
    assert main(["tarin"]) == 1
    assert capsys.readouterr() == ("", "hwr: no command 'tarin'; did you mean 'train'?\n")
    assert main(["xyz"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert all(name in err for name in COMMANDS)


def failing(error: BaseException):
    def command(argv):
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("data 'x': no such data set"), 1, "hwr test: data 'x': no such data set\n"),
        (OSError(28, "No space left on device"), 1, "hwr test: No space left on device\n"),
        (FileNotFoundError(2, "No such file", "/a/b"), 1, "hwr test: /a/b: No such file\n"),
        (OSError("/a: cannot write"), 1, "hwr test: /a: cannot write\n"),
        (KeyboardInterrupt(), 130, "hwr test: interrupted\n"),
    ],
)
def test_errors_of_the_user_and_the_disk_are_one_line(error, status, line, capsys):
    assert run("test", failing(error), []) == status
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("--workdir=~/runs/x", "--workdir=/home/me/runs/x"),
        ("--config.data.split=~/lists", "--config.data.split=/home/me/lists"),
        ("--source=~/", "--source=/home/me/"),
        ("--alphabet=~/abc", "--alphabet=~/abc"),
        ("--config.model.alphabet=~/abc", "--config.model.alphabet=~/abc"),
        ("--text=a~/b", "--text=a~/b"),
        ("~/a.png", "~/a.png"),
    ],
)
def test_a_tilde_that_the_shell_leaves_is_the_home_folder(given, taken, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    seen = []
    run("test", lambda argv: seen.extend(argv) or 0, [given, "--", "--source=~/x"])
    assert seen == [taken, "--", "--source=~/x"]


def test_characters_that_the_terminal_lacks_are_spelled_out(monkeypatch):
    def command(argv):
        print("caf\u00e9 \udce9")
        print_json({"text": "caf\u00e9"})
        print("caf\u00e9", file=sys.stderr)
        return 0

    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding="ascii") for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    assert run("test", command, []) == 0
    for stream in streams.values():
        stream.flush()
    assert streams["stdout"].buffer.getvalue() == b'caf\\xe9 \\udce9\n{"text": "caf\\u00e9"}\n'
    assert streams["stderr"].buffer.getvalue() == b"caf\\xe9\n"


def test_errors_of_ours_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run("test", failing(ZeroDivisionError()), [])


def test_a_command_gets_its_arguments_and_gives_its_status(monkeypatch):
    seen = []
    monkeypatch.setattr(show, "main", lambda argv: seen.append(list(argv)) or 75)
    assert main(["show", "--a", "b"]) == 75
    assert seen == [["--a", "b"]]


@pytest.mark.parametrize("command", [[name] for name in COMMANDS] + [["data", "prepare"], ["data", "show"]])
def test_every_command_explains_itself(command, capsys):
    try:
        status = main([*command, "--help"])
    except SystemExit as end:  # argparse leaves so after its help.
        status = end.code
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert f"usage: hwr {command[0]}" in out
    assert max(map(len, out.splitlines())) <= 100


def run_python(*args: str, cwd: os.PathLike[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, cwd=cwd, timeout=120)


def test_help_does_not_wait_for_jax(repository):
    heavy = "{'jax', 'flax', 'numpy', 'ml_collections', 'orbax', 'tensorflow_datasets', 'PIL'}"
    modules = ", ".join(f"hwr_jax.commands.{name.replace('-', '_')}" for name in ("main", *COMMANDS))
    code = f"import sys, {modules}; print({heavy} & sys.modules.keys() or 'light')"
    assert run_python("-c", code, cwd=repository).stdout == "light\n"


def test_both_spellings_of_a_command_are_the_same(repository):
    whole = run_python("-m", "hwr_jax.commands.main", "show", "--config=nowhere.py", cwd=repository)
    single = run_python("-m", "hwr_jax.commands.show", "--config=nowhere.py", cwd=repository)
    for ran in (whole, single):
        assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "hwr show: config nowhere.py: no such file\n")


def test_a_reader_that_goes_away_is_no_error(repository):
    # As in `hwr show ... | head -0`.
    argv = [sys.executable, "-u", "-m", "hwr_jax.commands.main", "show", "--config=quickstart"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=repository) as process:
        process.stdout.close()
        error = process.stderr.read()
        process.wait(timeout=120)
    assert error == b""


def test_configs_are_listed_with_what_to_expect(capsys):
    assert main(["configs"]) == 0
    out, _ = capsys.readouterr()
    assert "\nquickstart\n    The seed model on synthetic writers" in out
    assert "a CER of about 7 %" in out
    assert "\nsweeps/levers\n" in out
    assert max(map(len, out.splitlines())) <= 96
    assert main(["configs", "quickstart"]) == 0
    assert "hwr train --config=quickstart --workdir=" in capsys.readouterr().out


def test_show_prints_the_whole_config(capsys):
    assert main(["show", "--config=quickstart", "--config.data.batch_size=8", "--resolved"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"data.batch_size = 8", 'data.name = "synthetic"', "model.conv_features = [32, 64]"} <= set(lines)
    assert len(lines) > 60


def test_show_prints_the_layer_table_of_the_seed(capsys):
    assert main(["show", "--config=quickstart"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["bidirectional", "BidirectionalLstm", "(batch,", "32,", "256)", "197,632"] in rows
    assert rows[-1] == ["total", "424,081"]


def test_programs_are_kept_in_the_user_s_cache_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    keep_programs()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "/somewhere/hwr_jax/programs"
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/mine")
    keep_programs()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "/mine"
