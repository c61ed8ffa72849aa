"""`hwr models`: what is recorded of models, quickly."""

import json
import subprocess
import sys

import pytest

from hwr_jax.commands import models
from hwr_jax.commands.main import main
from hwr_jax.errors import InputError
from hwr_jax.training.workdir import write_json
from hwr_jax.zoo.model_records import PRETRAINED


def columns(line: str) -> list[str]:
    return [cell for cell in line.split("  ") if cell.strip()]


def names() -> list[str]:
    """Of the models of the package, in the order of the table."""
    return sorted(path.parent.name for path in PRETRAINED.glob("*/model.json"))


def test_the_models_of_the_package(capsys):
    assert models.main(["--details"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[2 : 2 + len(names())]] == names()
    assert models.main(["--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert list(found) == names()
    for name, line in zip(names(), lines[2:], strict=False):
        evaluation = found[name]["evaluations"]["test.json"]
        low, high = (f"{100 * bound:.2f}" for bound in evaluation["cer_interval"])
        assert f"{100 * evaluation['cer']:.2f} ({low} - {high})" in line
        assert f"{found[name]['parameters']:,}" in line
        files = (PRETRAINED / name / file for file in ("model.json", "parameters.npz"))
        assert found[name]["bytes"] == sum(path.stat().st_size for path in files)
        assert found[name]["licence"]
    defaults = {command: name for name, entry in found.items() for command in entry["default_of"]}
    assert set(defaults) == {"hwr read", "hwr read LINE", "hwr read --page", "hwr read NOTE.xopp"}
    assert defaults["hwr read LINE"] == defaults["hwr read --page"] == "latin_lines"
    assert "hwr read LINE and hwr read --page take latin_lines by itself" in out
    assert all(
        f"{command} takes {defaults[command]} by itself" in out for command in ("hwr read", "hwr read NOTE.xopp")
    )


def test_the_table_for_people_fits_a_terminal(capsys):
    assert models.main([]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    rows = {line.split()[0]: columns(line) for line in out.splitlines()[:9]}
    assert [cell.strip() for cell in rows["model"]] == ["model", "reads", "language", "made of", "CER %", "MB"]
    assert [cell.strip() for cell in rows["unipen_words"]][1:4] == ["words", "English", "strokes"]
    assert [cell.strip() for cell in rows["copiste_lines_large"]][1:4] == ["lines", "French", "ink"]
    assert "(4.65 - 8.61)" in rows["copiste_lines_large"][4]
    assert "hwr read takes unipen_words_large by itself" in out
    uses = dict(columns(line)[:2] for line in out.partition("\nuse ")[2].splitlines()[2 : 2 + len(names())])
    assert uses.keys() == set(names())
    assert uses["unipen_words_large"].strip() == "English single words written on a screen: the most accurate"
    assert uses["copiste_lines"].strip() == "French lines scanned from paper: 4 times smaller"
    assert models.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["use_for"] == uses["copiste_lines"].strip()


def test_the_docs_have_the_table(repository, capsys):
    assert models.main(["--markdown"]) == 0
    assert capsys.readouterr().out in (repository / "docs" / "models.md").read_text(encoding="utf-8")


def test_a_name_prints_the_card(capsys):
    assert models.main(["unipen_words"]) == 0
    out = capsys.readouterr().out
    assert out == (PRETRAINED / "unipen_words" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert out.startswith("# Model card: unipen_words\n")
    assert models.main(["--json", "unipen_words"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == ["unipen_words"]


def test_a_folder_of_runs(model_folder, tmp_path, write_evaluation_json, capsys):
    config = json.loads((model_folder / "model.json").read_text())["config"]
    for name in ("a", "b"):
        write_json(tmp_path / name / "config.json", config)
    write_json(tmp_path / "b" / "status.json", {"status": "running"})
    write_evaluation_json(tmp_path / "a" / "evaluation" / "test.json", parameters=1234)
    assert models.main(["--details", str(tmp_path), str(model_folder)]) == 0
    out = capsys.readouterr().out
    rows = [columns(line) for line in out.splitlines()[2:5]]
    assert [row[0] for row in rows] == ["a", "b", "tiny"]
    assert [cell.strip() for cell in rows[0]] == [
        "a",
        "words, 64 x 16 px",
        "1,234",
        "25.00 (12.50 - 50.00)",
        "50.00 (25.00 - 75.00)",
        "40 test",
        "0.0",
        "synthetic",
        "none: made up",
    ]
    assert "running" in [cell.strip() for cell in rows[1]]
    assert "by itself" not in out


def test_numbers_of_other_parameters_are_not_told(model_folder, tmp_path, write_evaluation_json, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("model.json", "parameters.npz"):
        (folder / name).write_bytes((model_folder / name).read_bytes())
    write_evaluation_json(folder / "test.json", parameters_sha256="0" * 64)
    assert models.main([str(folder)]) == 0
    out = capsys.readouterr().out
    assert "25.00" not in out
    assert "mine: test.json left out: of other parameters; evaluate again" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/nowhere"], "/nowhere: no such folder, nor the name of a model"),
        (["no_such_model"], "no_such_model: no such folder, nor the name of a model"),
        (["--card"], "--card: of which model"),
        (["--card", "MODEL"], "has no card; hwr evaluate --model="),
        (["--card", "/nowhere"], "/nowhere: no such folder"),
        (["unipen_words", "MODEL"], "unipen_words: is a name"),
        (["--json", "--markdown"], "not allowed with"),
    ],
)
def test_wrong_input_is_one_line(arguments, message, model_folder):
    with pytest.raises(InputError, match=message) as caught:
        models.main([arg.replace("MODEL", str(model_folder)) for arg in arguments])
    assert "\n" not in str(caught.value)


def test_it_does_without_jax(repository):
    code = "import sys; from hwr_jax.commands.main import main; main(['models']); print({'jax'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=repository, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_hwr_knows_it(capsys):
    assert main(["models", "--card", "unipen_words"]) == 0
    assert "Model card" in capsys.readouterr().out
