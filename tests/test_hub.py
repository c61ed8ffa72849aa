"""Models of a hub: real commands, and huggingface_hub itself, against a server on this machine that speaks its API."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path, PurePath

import pytest
import yaml

from hwr_jax.errors import InputError
from hwr_jax.hub import FILES, parse_address
from hwr_jax.models.parameter_files import fingerprint_parameters, read_parameters
from hwr_jax.models.trained import PRETRAINED

MODEL = "unipen_words_seed"
ADDRESS = "hf://me/words"


def load_server():
    spec = importlib.util.spec_from_file_location("hub_server", Path(__file__).with_name("hub_server.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server():
    if importlib.util.find_spec("huggingface_hub") is None:
        pytest.skip("huggingface_hub is not installed")
    return load_server()


@pytest.fixture(scope="module")
def pushed(server, run_environment, tmp_path_factory):
    """A hub to which the command has pushed a model, and what the command printed."""
    with server.serve_hub() as hub:
        home = tmp_path_factory.mktemp("home")
        done = hwr(hub, home, run_environment, "models", "push", MODEL, ADDRESS, token=server.TOKEN)
        assert done.returncode == 0, done.stderr[-3000:]
        yield hub, done.stdout.strip()


def hwr(hub, home, environment, *argv, token="", **more):
    environment = environment | {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(home),
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        **more,
    }
    command = [sys.executable, "-m", "hwr_jax.commands.main", *argv]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture
def pull(pushed, run_environment, tmp_path):
    """`pull(address, **environment)`: the finished command, and the hub, whose notes begin anew."""

    def run(address=ADDRESS, **environment):
        pushed[0].asked.clear()
        return hwr(pushed[0], tmp_path, run_environment, "models", "pull", address, **environment), pushed[0]

    return run


def test_what_was_pushed_is_a_private_repository_with_a_card(pushed):
    hub, printed = pushed
    files = hub.repositories["me/words"]
    assert printed == f"{hub.endpoint}/me/words/commit/{hub.commit_of('me/words')}"
    assert hub.private["me/words"]
    assert {"README.md", "model.json", "model.safetensors", "test.json", "calibration.json"} <= set(files)
    assert not [name for name in files if name.endswith((".npz", ".pkl", "MODEL_CARD.md"))]
    head, text = files["README.md"].decode().removeprefix("---\n").split("---\n", 1)
    metadata = yaml.safe_load(head)
    assert metadata["license"] == "cc-by-4.0"
    assert (metadata["library_name"], metadata["pipeline_tag"]) == ("hwr_jax", "image-to-text")
    assert metadata["language"] == "en"
    recorded = json.loads((PRETRAINED / MODEL / "test.json").read_text())
    rates = {one["type"]: one["value"] for one in metadata["model-index"][0]["results"][0]["metrics"]}
    assert rates == {rate: round(100 * recorded[rate], 2) for rate in ("cer", "wer")}
    assert "hwr read --model=hf://me/words" in text


def test_what_is_pulled_is_what_was_pushed_and_then_comes_from_the_cache(pull):
    done, hub = pull()
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    shipped = read_parameters(PRETRAINED / MODEL / "parameters.npz")
    assert fingerprint_parameters(read_parameters(folder / "model.safetensors")) == fingerprint_parameters(shipped)
    assert any(one.endswith("/model.safetensors") and one.startswith("GET") for one in hub.asked)
    again, hub = pull()
    assert again.stdout == done.stdout
    assert not [one for one in hub.asked if one.startswith("GET") and "/resolve/" in one]
    offline, hub = pull(HF_HUB_OFFLINE="1")
    assert (offline.returncode, offline.stdout, hub.asked) == (0, done.stdout, [])


def test_a_file_with_other_bytes_than_the_hub_names_is_refused_and_fetched_anew(pull):
    done, hub = pull(f"{ADDRESS}@main")
    folder = Path(done.stdout.strip())
    parameters = (folder / "model.safetensors").resolve()
    parameters.write_bytes(parameters.read_bytes()[:-1] + b"\0")
    (folder / "test.json").resolve().write_text("{}")
    done, _ = pull(f"{ADDRESS}@main")
    assert done.returncode == 1
    assert "2 files not as the hub has them, such as model.safetensors" in done.stderr
    assert not parameters.exists()
    hub.spoils.add("model.safetensors")
    assert pull(f"{ADDRESS}@main")[0].returncode == 1
    hub.spoils.clear()
    assert pull(f"{ADDRESS}@main")[0].returncode == 0


@pytest.mark.parametrize(
    ("address", "environment", "says"),
    [
        ("hf://me", {}, "is no address of a model; write hf://OWNER/NAME"),
        ("hf://me/nothing", {}, "hf://me/nothing: repository not found:"),
        ("hf://me/words", {"HF_HUB_OFFLINE": "1"}, "hf://me/words: local entry not found:"),
        ("hf://me/words", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "hf://me/words: "),
    ],
)
def test_what_cannot_be_had_is_one_line(pull, address, environment, says):
    done, _ = pull(address, **environment)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_line_finder_is_pushed_and_pulled_likewise(pushed, run_environment, tmp_path, server):
    hub, address = pushed[0], "hf://me/finder"
    done = hwr(hub, tmp_path, run_environment, "models", "push", "page_lines", address, token=server.TOKEN)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {"README.md", "line_finder.json", "model.safetensors", "MODEL_CARD.md"} <= set(hub.repositories["me/finder"])
    head, text = hub.repositories["me/finder"]["README.md"].decode().removeprefix("---\n").split("---\n", 1)
    assert yaml.safe_load(head)["license"] == "cc-by-4.0"
    assert "hwr layout --model=hf://me/finder" in text
    assert "CREMMA-MSS-17" in text  # of the card
    environment = run_environment | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path)} | QUIET
    done = subprocess.run(
        [sys.executable, "-c", LOAD_FINDER], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split() == ["True", "997760"], done.stderr[-2000:]


def test_a_push_without_a_token_is_one_line(pushed, run_environment, tmp_path):
    done = hwr(pushed[0], tmp_path, run_environment, "models", "push", MODEL, "hf://me/other", HF_TOKEN="hf_wrong")
    assert done.returncode == 1
    assert done.stderr.startswith("hwr models: hf://me/other: ")
    assert done.stderr.count("\n") == 1
    assert "me/other" not in pushed[0].repositories


QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
LOAD_FINDER = """
from hwr_jax.line_finder import is_line_finder, load_line_finder

print(is_line_finder("hf://me/finder"), load_line_finder("hf://me/finder").trained.parameters)
"""
LOAD = "import hwr_jax; hub = hwr_jax.load('hf://me/words'); print(hub.model.name, hub.model.parameters)"


def test_load_takes_an_address(pushed, run_environment, tmp_path):
    environment = run_environment | {"HF_ENDPOINT": pushed[0].endpoint, "HF_HOME": str(tmp_path)} | QUIET
    done = subprocess.run([sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["words", "424081"], done.stderr[-2000:]


SUFFIXES = {PurePath(pattern).suffix for pattern in FILES}
TOO_LARGE = """
import sys
from hwr_jax import hub
from hwr_jax.commands.main import main

hub.MOST_BYTES = 1_000_000
sys.exit(main(["models", "pull", "hf://me/words"]))
"""


def test_too_large_a_repository_is_not_fetched(pushed, run_environment, tmp_path):
    environment = run_environment | {"HF_ENDPOINT": pushed[0].endpoint, "HF_HOME": str(tmp_path)} | QUIET
    pushed[0].asked.clear()
    done = subprocess.run([sys.executable, "-c", TOO_LARGE], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    contents = pushed[0].repositories["me/words"]
    size = sum(len(content) for name, content in contents.items() if PurePath(name).suffix in SUFFIXES)
    assert f"hf://me/words: has {size / 1e9:.2g} GB, more than the 0.001 GB of any model" in done.stderr
    assert not [one for one in pushed[0].asked if one.startswith("GET") and "/resolve/" in one]


def test_addresses():
    assert parse_address("hf://me/words") == ("me/words", None)
    assert parse_address("hf://me/my.words-2@v1/x") == ("me/my.words-2", "v1/x")
    for wrong in ("hf://me", "hf://a/b/c", "hf://a/b@", "http://a/b", "hf://../b c"):
        with pytest.raises(InputError):
            parse_address(wrong)
