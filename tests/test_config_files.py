"""Config files: by name and by path, what is wrong with them, and those that come with the package."""

import dataclasses
import json
import re
import subprocess
import sys

import pytest

from hwr_jax.config import resolve_config
from hwr_jax.config_files import (
    CONFIGS,
    config_names,
    describe_config,
    find_config_file,
    load_config_file,
    load_config_of_model,
    open_config_file,
)
from hwr_jax.errors import InputError

CONFIG = """
from hwr_jax.config import default_config

def get_config(arg="none"):
    config = default_config()
    config.data.name = arg
    return config

def sweep():
    yield {"seed": 1}

def space(low):
    return {}["low"]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(CONFIG)
    return path


def test_a_path_and_its_argument(file):
    assert load_config_file(str(file)).data.name == "none"
    assert load_config_file(f"{file}:own").data.name == "own"
    assert load_config_file(f"{file}:").data.name == ""
    assert find_config_file(f"{file}:a.py:b") == (file, "a.py:b")


def test_names_are_those_of_the_package_s_files():
    names = config_names()
    assert {"quickstart", "unipen_words_large", "sweeps/levers"} <= set(names)
    assert find_config_file("quickstart") == (CONFIGS / "quickstart.py", None)
    assert find_config_file("unipen_words_large:second") == (CONFIGS / "unipen_words_large.py", "second")
    assert load_config_file("quickstart") == load_config_file(str(CONFIGS / "quickstart.py"))
    assert load_config_file("unipen_words_large:second") != load_config_file("unipen_words_large")


def test_a_name_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "quickstart").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_config_file("quickstart").data.name == "synthetic"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("quikstart", "config quikstart: no such config; did you mean 'quickstart'? hwr configs lists them"),
        ("zzz:arg", "config zzz:arg: no such config; hwr configs lists them, and your own is FILE.py"),
        ("nowhere.py:arg", "config nowhere.py:arg: no such file"),
        ("keras_example:iamb", "config keras_example:iamb: 'iamb' is none of iam, unipen, "),
        ("quickstart:arg", "config quickstart:arg: TypeError: "),
    ],
)
def test_what_is_not_there_is_one_line(name, says):
    with pytest.raises(InputError, match=f"^{re.escape(says)}"):
        load_config_file(name)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "get_config"),
        ("x = 1", "get_config"),
        ("def get_config(:\n  pass", "SyntaxError"),
        ("import no_such_module", "no_such_module"),
        ("def get_config():\n  raise RuntimeError('two\\nlines')", "two lines"),
        ("def get_config():\n  return 3", "int"),
        ("from hwr_jax.config import *\ndef get_config():\n  c = default_config()\n  c.seed = 'a'\n  return c", "seed"),
        ("\0", ""),
    ],
)
def test_a_file_that_fails_is_one_line(tmp_path, content, says):
    path = tmp_path / "broken.py"
    path.write_text(content)
    with pytest.raises(InputError) as told:
        load_config_file(str(path))
    assert str(path) in str(told.value)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


def test_other_functions_of_a_file(file):
    opened = open_config_file(str(file))
    assert (opened.path, opened.arg) == (file, None)
    assert list(opened.call("sweep")) == [{"seed": 1}]
    assert not opened.has("parts")
    with pytest.raises(InputError, match=r"mine\.py: has no parts\(\)$"):
        opened.call("parts")
    with pytest.raises(InputError, match=r"mine\.py: KeyError: low$"):
        opened.call("space", 1)


def test_a_file_may_define_dataclasses(file):
    head = "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass A:\n  a: int = 1\n"
    file.write_text(head + CONFIG)
    assert open_config_file(str(file)).module.A().a == 1


def test_what_configs_say_of_themselves():
    described = describe_config("unipen_words_large:second")
    assert described.summary.startswith("A residual model of 1.7 million parameters on UNIPEN words")
    assert described.expected.startswith("Expect a CER of 7.3 % and a WER of 26.0 % on the 37 test writers, 6.8 %")
    assert described.expected.endswith("after three hours and ten minutes more.")
    assert "hwr train --config=unipen_words_large" in described.text
    for name in config_names():
        assert len(describe_config(name).summary) > 20
        assert describe_config(name).expected or name.startswith("sweeps/"), name


def test_a_config_has_at_most_one_base():
    for name in config_names():
        text = find_config_file(name)[0].read_text(encoding="utf-8")
        assert text.count("load_config_file(") <= 1, name
        assert "hwr_jax.commands" not in text, name


def test_loading_configs_leaves_jax_alone(tmp_path):
    code = """if True:
        import sys
        from hwr_jax.config_files import config_names, load_config_file
        for name in config_names():
            load_config_file(name)
        assert not {'jax', 'flax', 'numpy'} & sys.modules.keys()
    """
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=120)


def test_the_config_of_a_model_by_name_or_folder(tmp_path):
    shipped = load_config_of_model("copiste_lines")
    assert (shipped.data.name, shipped.data.preprocessing) == ("copiste_lines", "line")
    # Of before there was the field.
    assert load_config_of_model("unipen_words").data.split == "writer"
    (tmp_path / "config.json").write_text(json.dumps({"seed": 3}))
    assert load_config_of_model(str(tmp_path)).seed == 3
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(InputError, match=r"config\.json: damaged"):
        load_config_of_model(str(tmp_path))
    with pytest.raises(InputError, match="'nothing': neither a shipped model, nor the folder"):
        load_config_of_model("nothing")


def test_a_gentle_recipe_has_the_layers_of_its_model():
    config, model = (resolve_config(load_config_file("finetune:copiste_lines")), load_config_of_model("copiste_lines"))
    assert config.model == dataclasses.replace(resolve_config(model).model, alphabet="union")
    assert config.augment == resolve_config(model).augment
    assert config.training.min_steps > config.training.evaluate_every_steps > 0
