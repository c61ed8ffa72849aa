"""`hwr evaluate` end to end, with a tiny model, on a raw tree and on synthetic data."""

import io
import json
import tarfile

import jax
import pytest
from PIL import Image, ImageDraw, ImageFont

from hwr_jax.commands import evaluate
from hwr_jax.commands.evaluate import describe_summary
from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig
from hwr_jax.errors import InputError
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import IAM78, Alphabet
from hwr_jax.training.checkpoint import Checkpoints
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.state import init_state

pytestmark = pytest.mark.usefixtures("quick_compilation")

TINY = ModelConfig(height_px=16, width_px=64, conv_features=(4, 4), dense_features=8, lstm_features=(8,))
TEXTS = ["one", "two", "three", "four", "five", "six"]
FORMS = 12


@pytest.fixture(scope="module")
def iam(tmp_path_factory):
    """A tree in IAM's layout: six words on each of twelve forms, each of another writer; one image is damaged."""
    root = tmp_path_factory.mktemp("iam")
    lines = ["#--- words.txt ---#"]
    forms = []
    for form in range(FORMS):
        name = f"a01-{form:03d}"
        forms.append(f"{name} {form:03d} 2 prt 7 5 52 36")
        folder = root / "words" / "a01" / name
        folder.mkdir(parents=True)
        for place, text in enumerate(TEXTS):
            word = f"{name}-00-{place:02d}"
            image = Image.new("L", (90, 40), 255)
            ImageDraw.Draw(image).text((6, 2), text, font=ImageFont.load_default(28), fill=20 + form)
            image.save(folder / f"{word}.png")
            lines.append(f"{word} ok 154 408 768 27 51 NN {text}")
    (root / "words" / "a01" / "a01-003" / "a01-003-00-02.png").write_bytes(b"")
    (root / "words.txt").write_text("\n".join(lines) + "\n")
    (root / "forms.txt").write_text("\n".join(forms) + "\n")
    return root


def run(*argv) -> int:
    return evaluate.main([str(arg) for arg in argv])


def test_a_raw_tree(model_folder, iam, tmp_path, capsys):
    output = tmp_path / "iam.json"
    arguments = (f"--model={model_folder}", "--data=iam_words", f"--source={iam}", "--workers=1")
    assert run(*arguments, "--split=all", f"--output={output}") == 0
    summary = json.loads(output.read_text())
    assert summary["samples"] == FORMS * len(TEXTS) - 1
    assert list(summary["skipped"]) == ["a01-003-00-02"]
    assert summary["characters"] == FORMS * sum(map(len, TEXTS)) - len("three")
    assert summary["words"] == summary["samples"]
    assert summary["writers"] == FORMS
    assert (summary["model"], summary["data"], summary["split"]) == ("tiny", "iam_words", "all")
    assert summary["decoder"] == "greedy"
    assert summary["cer"] == summary["edits"] / summary["characters"]
    assert summary["cer_interval"][0] <= summary["cer"] <= summary["cer_interval"][1]
    assert summary["wer_interval"][0] <= summary["wer"] <= summary["wer_interval"][1]
    assert {"cer_casefolded", "wer_casefolded", "loss", "seconds"} <= set(summary)
    rows = [line.split("\t") for line in output.with_suffix(".tsv").read_text().splitlines()[1:]]
    assert len(rows) == summary["samples"]
    assert sorted({row[2] for row in rows}) == sorted(TEXTS)
    with Image.open(output.with_suffix(".png")) as sheet:
        assert sheet.width > 1000
    out = capsys.readouterr().out
    assert "CER" in out
    assert str(output) in out


def test_splits_of_a_raw_tree_are_those_that_the_data_choose(model_folder, iam, tmp_path):
    counts, writers, rules = {}, {}, set()
    for split in ("train", "validation", "test"):
        output = tmp_path / f"{split}.json"
        arguments = (f"--model={model_folder}", "--data=iam_words", f"--source={iam}", f"--split={split}")
        assert run(*arguments, "--workers=1", f"--output={output}") == 0
        summary = json.loads(output.read_text())
        counts[split] = summary["samples"]
        rules.add(summary["split_rule"])
        writers[split] = {line.split("\t")[1] for line in output.with_suffix(".tsv").read_text().splitlines()[1:]}
    assert sum(counts.values()) == FORMS * len(TEXTS) - 1
    assert len(rules) == 1
    assert not writers["train"] & writers["test"] or not rules.pop().startswith("writer-")


def test_a_source_of_which_nothing_is_left_says_why(model_folder, tmp_path):
    for name in ("a", "b"):
        line = '<TextLine><Coords points="0,0 9,0 9,9"/><TextEquiv><Unicode>a</Unicode></TextEquiv></TextLine>'
        page = f'<PcGts><Page imageFilename="{name}.tif"><TextRegion>{line}</TextRegion></Page></PcGts>'
        (tmp_path / f"{name}.xml").write_text(page)
    with pytest.raises(InputError) as raised:
        run(f"--model={model_folder}", "--data=page_lines", f"--source={tmp_path}", "--split=all", "--workers=1")
    assert str(raised.value) == (
        "data 'page_lines', split 'all': no samples (2 x page image: no such file (it names 'a.tif'; and 1 more))"
    )


def test_prepared_data_of_the_model(model_folder, tmp_path, capsys):
    output = tmp_path / "all.json"
    arguments = (f"--model={model_folder}", f"--data_dir={tmp_path / 'data'}", "--workers=1")
    assert run(*arguments, "--split=all", f"--output={output}") == 0
    assert json.loads(output.read_text())["samples"] == 90
    assert json.loads(output.read_text())["data"] == "synthetic"
    # Its card lies beside it, and a model without a run behind it says so.
    summary, card = json.loads(output.read_text()), (tmp_path / "MODEL_CARD.md").read_text()
    assert f"{100 * summary['cer']:.2f} %" in card
    assert summary["parameters_sha256"] in card
    assert sum(split["samples"] for split in summary["prepared"]["splits"].values()) == 90
    assert all(f"| {name} | {split['samples']} |" in card for name, split in summary["prepared"]["splits"].items())
    assert "| command | not recorded |" in card


def test_the_numbers_as_json_are_those_of_the_file(model_folder, tmp_path, capsys):
    common = [f"--model={model_folder}", f"--data_dir={tmp_path}", "--workers=1", "--split=all"]
    assert evaluate.main([*common, f"--output={tmp_path / 'all.json'}", "--numbers_only", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "all.json").read_text())
    risk = printed["risk_coverage"]
    assert risk["table"][0]["cer"] == printed["cer"] == pytest.approx(risk["curve"]["cer"][-1], abs=1e-6)


def test_numbers_alone_and_cards_of_other_hands(model_folder, iam, tmp_path, capsys):
    arguments = (f"--model={model_folder}", "--data=iam_words", f"--source={iam}", "--workers=1", "--split=all")
    (tmp_path / "MODEL_CARD.md").write_text("written by hand")
    assert run(*arguments, "--numbers_only", f"--output={tmp_path / 'iam.json'}") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MODEL_CARD.md", "iam.json"]
    assert (tmp_path / "MODEL_CARD.md").read_text() == "written by hand"
    assert "MODEL_CARD.md: not written by an evaluation" in capsys.readouterr().out
    (tmp_path / "MODEL_CARD.md").unlink()
    beam = ["--decoder=beam", "--language_model=none", "--beam_width=2", f"--output={tmp_path / 'beam.json'}"]
    assert run(*arguments, "--numbers_only", *beam) == 0
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert all(f"| iam_words, all | {decoder} |" in card for decoder in ("greedy", "beam"))


def test_a_run_gets_its_files_and_its_report(tmp_path, capsys):
    config = ExperimentConfig(
        data=DataConfig(writers=30, words_per_writer=3, workers=1, data_dir=str(tmp_path / "data")), model=TINY
    )
    model = Recognizer(TINY, Alphabet(IAM78).num_classes)
    state = jax.device_get(init_state(model, build_optimizer(config.optimizer, 1), config.seed))
    workdir = tmp_path / "run"
    checkpoints = Checkpoints(workdir / "checkpoints")
    checkpoints.save(state, {"config": to_plain(config), "alphabet": IAM78})
    checkpoints.close()
    assert run(f"--workdir={workdir}", "--split=all", "--checkpoint=latest", "--workers=1") == 0
    summary = json.loads((workdir / "evaluation" / "all.json").read_text())
    assert summary["model"] == "run@0"
    assert summary["samples"] == 90
    assert len((workdir / "evaluation" / "all.tsv").read_text().splitlines()) == 91
    assert f"{100 * summary['cer']:.2f} %" in (workdir / "report.html").read_text()
    assert str(workdir / "report.html") in capsys.readouterr().out
    assert "| checkpoint | run@0 |" in (workdir / "evaluation" / "MODEL_CARD.md").read_text()
    # Another decoder leaves the greedy evaluation in place, by which runs are compared.
    greedy = (workdir / "evaluation" / "all.json").read_bytes()
    beam = ["--decoder=beam", "--language_model=none", "--beam_width=2"]
    assert run(f"--workdir={workdir}", "--split=all", "--checkpoint=latest", "--workers=1", *beam) == 0
    assert (workdir / "evaluation" / "all.json").read_bytes() == greedy
    assert json.loads((workdir / "evaluation" / "all_beam.json").read_text())["decoder_settings"]["beam_width"] == 2
    assert ">beam</td>" in (workdir / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --workdir --model is required"),
        (["--workdir=/nowhere"], "--workdir=/nowhere: holds no run"),
        (["--model=no_such_model"], "model 'no_such_model'"),
        (["--model=MODEL", "--data=iam_wrods", "--source=x"], "did you mean 'iam_words'"),
        (["--model=MODEL", "--data=iam_words", "--source=/nowhere", "--split=all"], "/nowhere"),
        (["--model=MODEL", "--data=unipen_words", "--data_dir=EMPTY"], "not prepared"),
        (["--model=MODEL", "--output=numbers.txt"], "must end in .json"),
        (["--model=MODEL", "--workers=0"], "is not a whole number from 1 up"),
        (["--model=MODEL", "--decoder=bean"], "decoder 'bean': no such decoder"),
        (["--model=MODEL", "--decoder=beam", "--lexicon=/nowhere.txt"], r"/nowhere\.txt: lexicon cannot be read"),
        (["--model=MODEL", "--split=tset"], "--split: invalid choice"),
    ],
)
def test_wrong_input_is_one_line(arguments, message, model_folder, tmp_path):
    arguments = [arg.replace("MODEL", str(model_folder)).replace("EMPTY", str(tmp_path)) for arg in arguments]
    with pytest.raises(InputError, match=message) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)


def test_a_source_that_is_something_else(model_folder, tmp_path):
    archive = tmp_path / "words.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("readme.txt")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    with pytest.raises(InputError):
        run(f"--model={model_folder}", "--data=iam_words", f"--source={archive}", "--split=all", "--workers=1")


def test_the_table_has_a_dash_for_what_cannot_be_told():
    summary = {
        **dict.fromkeys(("cer", "wer", "cer_casefolded", "loss", "cer_interval", "wer_interval")),
        **{"model": "m", "data": "d", "split": "test", "split_rule": "by hand"},
        **{"samples": 1, "writers": 1, "seconds": 0.0},
        **{"interval_over": "samples", "loss_excluded": {"empty label": 1}, "skipped_reasons": {"empty file": 2}},
    }
    table = describe_summary(summary)
    assert "by 1 writer\n" in table
    assert "2   empty file" in table
    assert "1   empty label" in table
    assert "nan" not in table.lower()
