"""`hwr demo`: the real command, asked over HTTP."""

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from hwr_jax.commands.main import main


def test_the_page_is_served_to_this_machine_until_interrupted(run_environment):
    command = [sys.executable, "-m", "hwr_jax.commands.demo", "--model=unipen_words", "--port=0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=run_environment
    ) as done:
        try:
            said = done.stdout.readline()
            assert said.startswith("unipen_words reads at http://127.0.0.1:")
            address = said.split()[3]
            with urllib.request.urlopen(address, timeout=60) as answer:
                page = answer.read().decode()
                assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            assert "<title>Handwriting reader</title>" in page
            with pytest.raises(urllib.error.HTTPError, match="404") as refused:
                urllib.request.urlopen(f"{address}../etc/passwd", timeout=60)
            refused.value.close()
        finally:
            done.send_signal(signal.SIGINT)
        assert done.wait(60) == 130
        assert done.stderr.read() == "hwr demo: interrupted\n"


def test_a_port_that_is_taken_is_wrong_input(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["demo", "--model=unipen_words", f"--port={port}"]) == 1
    message = f"hwr demo: --port={port}: is in use; choose another, or 0 for one that is free\n"
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_what_is_no_port(port, capsys):
    assert main(["demo", f"--port={port}"]) == 1
    assert f"'{port}' is no port from 0 to 65535" in capsys.readouterr().err
