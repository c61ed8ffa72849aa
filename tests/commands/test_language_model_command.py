"""`hwr language-model train` and `hwr lexicon`: from texts, lists and training labels, never from other labels."""

import pytest

from hwr_jax.commands import language_model, lexicon
from hwr_jax.config import DataConfig
from hwr_jax.data.loading import ensure_prepared, load_split
from hwr_jax.decoding.arpa import read_arpa
from hwr_jax.decoding.lexicon import count_tokens, load_lexicon
from hwr_jax.errors import InputError
from hwr_jax.ink.words import load_words
from hwr_jax.models.trained import load_exported
from hwr_jax.strict import build_dataclass
from hwr_jax.text.alphabet import IAM78


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def training_labels(model_folder, data_dir) -> tuple[str, ...]:
    model = load_exported(model_folder)
    config = build_dataclass(DataConfig, dict(model.config["data"], data_dir=str(data_dir)))
    ensure_prepared(config)
    return load_split(config, "train", model.preprocessing).texts


def test_a_model_of_texts(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("the cat sat\nthe 20 € hat\n\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("that cat\n")
    output = tmp_path / "model.arpa"
    texts = [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    assert language_model.main(["train", *texts, "--order=3", "--alphabet=iam78", f"--output={output}"]) == 0
    model = read_arpa(output)
    assert (model.order, model.characters) == (3, "".join(IAM78))
    assert model.log_prob("the cat") > model.log_prob("eht tac")
    out = capsys.readouterr().out
    assert "not in the alphabet, so unknown: 1 character: '€'" in out
    # Without an alphabet all characters of the texts count, the space too.
    assert language_model.main(["train", *texts, "--smoothing=witten_bell", "--order=2", f"--output={output}"]) == 0
    assert set(read_arpa(output).characters) == set("the cat sat 20 € hat")


def test_a_model_of_training_labels_and_english_words(model_folder, data_dir, training_labels, tmp_path):
    output = tmp_path / "labels.arpa.gz"
    arguments = ["train", f"--model={model_folder}", "--labels", f"--data_dir={data_dir}", "--order=2"]
    assert language_model.main([*arguments, f"--output={output}"]) == 0
    model = read_arpa(output)
    assert model.characters == IAM78
    ends = {b for text in training_labels for b in text[-1]}
    listed = {model.characters[a - 3] for a, b in model.orders[1].ngrams_MxN.tolist() if b == 2 and a >= 3}
    assert listed == ends
    assert language_model.main([*arguments, "--english_words", f"--output={tmp_path / 'more.arpa'}"]) == 0
    more = read_arpa(tmp_path / "more.arpa")
    assert len(more.orders[1].ngrams_MxN) > len(model.orders[1].ngrams_MxN)
    assert sum(map(more.log_prob, load_words()[::500])) > sum(map(model.log_prob, load_words()[::500]))


def test_a_lexicon_of_all_sources(model_folder, data_dir, training_labels, tmp_path, capsys):
    (tmp_path / "list.txt").write_text("zyx\nnaïve\t3\nthe\t2\n", encoding="utf-8")
    (tmp_path / "text.txt").write_text("the end, the zyx\n")
    output = tmp_path / "words.txt"
    arguments = [str(tmp_path / "list.txt"), f"--text={tmp_path / 'text.txt'}", f"--model={model_folder}"]
    arguments += ["--labels", f"--data_dir={data_dir}", "--word_count=0.25"]
    assert lexicon.main([*arguments, f"--output={output}"]) == 0
    found, labels = load_lexicon(output), count_tokens(training_labels)
    assert found.words["zyx"] == 1.25
    assert found.words["the"] == 4 + labels.words.get("the", 0)
    assert found.signs == (labels + count_tokens([","]) + count_tokens(["   "])).signs
    assert set(found.words) == {*labels.words, "zyx", "the", "end"}
    assert "left out: 1 word that the model's alphabet cannot spell, as 'naïve'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (language_model, ["train", "--output=x.arpa"], "nothing to learn from"),
        (language_model, ["train", "t", "--output=x.txt"], r"must end in \.arpa or \.arpa\.gz"),
        (language_model, ["train", "GONE", "--output=x.arpa"], "gone: cannot be read as UTF-8 text"),
        (language_model, ["train", "BLANK", "--output=x.arpa"], "the text has no characters to learn from"),
        (language_model, ["train", "TEXT", "--order=99", "--output=x.arpa"], "order 99 is too large"),
        (language_model, ["train", "--labels", "--output=x.arpa"], "--labels: of which model"),
        (language_model, ["train", "--model=M", "--alphabet=ab", "--labels", "--output=x.arpa"], "has its own"),
        (language_model, ["train", "--model=no_such_model", "--labels", "--output=x.arpa"], "model 'no_such_model'"),
        (language_model, ["--output=x.arpa"], "required: train"),
        (lexicon, ["--output=x.txt"], "nothing to take words from"),
        (lexicon, ["GONE", "--output=x.txt"], "gone: cannot be read as a UTF-8 word list"),
        (lexicon, ["BLANK", "--output=x.txt"], "an empty lexicon"),
        (lexicon, ["--text=BLANK", "--output=x.txt"], "no words in what was given"),
        (lexicon, ["TEXT", "--output=x.txt"], "line 1: 'two words': must be one word"),
        (lexicon, ["TEXT", "--word_count=0", "--output=x.txt"], "must be above 0"),
    ],
)
def test_wrong_input_is_one_line(command, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("two words\n")
    (tmp_path / "blank").write_text("\n \n")
    for name in ("GONE", "BLANK", "TEXT"):
        arguments = [argument.replace(name, str(tmp_path / name.lower())) for argument in arguments]
    with pytest.raises(InputError, match=message) as caught:
        command.main(arguments)
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"text", "blank"}
