"""Models as their folders tell them: which reads where none is named, and fingerprints of parameters."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from hwr_jax.errors import InputError
from hwr_jax.models import trained
from hwr_jax.models.parameter_files import fingerprint_parameters
from hwr_jax.models.trained import load_exported, pretrained_names
from hwr_jax.reports.card import CardModel, write_card
from hwr_jax.training.workdir import write_json
from hwr_jax.zoo import model_records
from hwr_jax.zoo.model_records import (
    INK_LINES,
    LINES,
    NOT_RECORDED,
    PAGES,
    ModelRecord,
    choose_model,
    default_name,
    describe_terms,
    find_records,
    read_record,
    reads_what,
    shipped_records,
    summarize_terms,
    trained_on,
)

CONFIG = {"data": {"name": "unipen_words", "preprocessing": "word"}, "model": {"width_px": 64, "height_px": 16}}
NUMBERS = {"data": "unipen_words", "split": "test", "decoder": "greedy", "samples": 8, "words": 8, "cer": 0.5}


def config_of(data: str) -> dict:
    return {"data": {"name": data}}


def write_exported(folder: Path, about: dict | None = None, config: dict = CONFIG) -> str:
    """An exported folder, as far as its files tell a reader of records. Returns the parameters' fingerprint."""
    write_json(folder / "model.json", {"name": "mine", "config": config, "about": about or {}})
    parameters = {"dense/kernel": np.ones((2, 3), np.float32), "dense/bias": np.zeros(3, np.float32)}
    np.savez(folder / "parameters.npz", **parameters)
    return fingerprint_parameters(parameters)


def test_the_shipped_models_are_those_that_load():
    assert model_records.PRETRAINED == trained.PRETRAINED
    records = shipped_records()
    assert [record.name for record in records] == pretrained_names()
    for record in records:
        model = load_exported(record.folder)
        assert record.parameters == model.parameters
        assert record.shipped
        assert record.data == model.config["data"]["name"]


@pytest.mark.parametrize("name", pretrained_names())
def test_shipped_numbers_are_of_the_shipped_parameters(name):
    record = read_record(trained.PRETRAINED / name)
    assert record.stale == ()
    assert record.evaluation is not None
    assert record.evaluation["parameters_sha256"] == fingerprint_parameters(load_exported(record.folder).tree)
    card = record.card.read_text(encoding="utf-8")
    for rate in (record.evaluation["cer"], record.evaluation["wer"], *record.evaluation["cer_interval"]):
        assert f"{100 * rate:.2f}" in card
    assert record.evaluation["ids_hash"] in card
    assert record.licence in card
    # Formats for data of any kind know no terms; whoever exports such a model gives them by --licence.
    known = [terms for data in record.trained_on if NOT_RECORDED not in (terms := describe_terms([data]))]
    assert known
    assert all(terms in record.licence for terms in known)
    assert NOT_RECORDED not in record.licence


@pytest.mark.parametrize("name", pretrained_names())
def test_shipped_cards_are_as_they_would_be_written_now(name, tmp_path):
    """After a change of the card's words: `hwr export --model=NAME --output=hwr_jax/pretrained/NAME`."""
    record = read_record(trained.PRETRAINED / name)
    model = load_exported(record.folder)
    for file, evaluation in record.evaluations.items():
        write_json(tmp_path / file, evaluation)
    card = CardModel.of(model, record.about, fingerprint_parameters(model.tree), record.folder)
    written = write_card(tmp_path, card, next(iter(record.evaluations)))
    assert written.read_text(encoding="utf-8") == record.card.read_text(encoding="utf-8")


def test_an_exported_folder(tmp_path):
    fingerprint = write_exported(tmp_path / "a")
    write_json(
        tmp_path / "a" / "beam.json", NUMBERS | {"decoder": "beam", "cer": 0.1, "parameters_sha256": fingerprint}
    )
    write_json(tmp_path / "a" / "other.json", NUMBERS | {"parameters_sha256": "0" * 64})
    write_json(tmp_path / "a" / "test.json", NUMBERS | {"parameters_sha256": fingerprint})
    write_json(tmp_path / "a" / "old.json", NUMBERS | {"model": "mine", "split": "validation"})
    write_json(tmp_path / "a" / "decoder.json", {"decoder": "beam"})
    record = read_record(tmp_path / "a")
    assert (record.name, record.parameters, record.shipped, record.reads) == ("a", 9, False, "words")
    assert record.input_size == "64 x 16 px"
    assert sorted(record.evaluations) == ["beam.json", "old.json", "test.json"]
    assert record.stale == ("other.json",)
    assert record.evaluation == record.evaluations["test.json"]
    assert record.file_bytes == sum((tmp_path / "a" / name).stat().st_size for name in ("model.json", "parameters.npz"))
    assert record.card == tmp_path / "a" / "MODEL_CARD.md"


def test_a_run(tmp_path):
    run = tmp_path / "runs" / "b"
    write_json(run / "config.json", CONFIG | {"data": {"name": "manifest/mine", "preprocessing": "line"}})
    assert read_record(run).parameters is None
    assert read_record(run).evaluation is None
    assert read_record(run).reads == ""
    write_json(run / "status.json", {"status": "done"})
    write_json(run / "evaluation" / "test.json", NUMBERS | {"data": "manifest/mine", "words": 50, "parameters": 12})
    (run / "evaluation" / "broken.json").write_text("{")
    (run / "checkpoints" / "1").mkdir(parents=True)
    (run / "checkpoints" / "1" / "array").write_bytes(bytes(100))
    (tmp_path / "runs" / "notes").mkdir()
    write_exported(tmp_path / "runs" / "a")
    records = find_records(tmp_path / "runs")
    assert [record.name for record in records] == ["a", "b"]
    record = records[1]
    assert (record.parameters, record.file_bytes, record.reads) == (12, 100, "lines")
    assert record.input_size == "up to 64 x 16 px"
    assert record.status["status"] == "done"
    assert record.licence == "manifest/mine: terms not recorded."
    assert record.card == run / "evaluation" / "MODEL_CARD.md"


def test_a_folder_without_models_is_wrong_input(tmp_path):
    with pytest.raises(InputError, match="neither an exported model nor a run, and none in it"):
        find_records(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_records(tmp_path / "gone")
    write_exported(tmp_path / "a")
    (tmp_path / "a" / "parameters.npz").write_bytes(b"PK broken")
    with pytest.raises(InputError, match=r"parameters\.npz: not the parameters of an exported model"):
        read_record(tmp_path / "a")


def test_all_data_behind_a_model_count(tmp_path):
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    write_json(first / "config.json", {"data": {"name": "synthetic"}})
    write_json(first / "init_from.json", {"model": str(second)})
    write_exported(second, {"trained_on": ["iam_words", "unipen_lines"]})
    own = config_of("copiste_lines")
    assert trained_on(own, str(first)) == ("copiste_lines", "synthetic", "iam_words", "unipen_lines")
    assert trained_on(own, "unipen_words") == ("copiste_lines", "unipen_words")
    assert trained_on(own, str(third)) == ("copiste_lines", "the data of third")
    # Two that name each other, as after a workdir was used for another run.
    write_json(third / "config.json", {"data": {"name": "pairs/x"}})
    write_json(third / "init_from.json", {"model": str(first)})
    write_json(first / "init_from.json", {"model": str(third)})
    assert trained_on(config_of("a"), str(first)) == ("a", "synthetic", "pairs/x")


def test_a_mixture_is_its_data_sets(tmp_path):
    letters = {"name": "pairs/letters", "weight": 1.0, "share": 0.0, "unit": "line"}
    words = {"name": "iam_words", "weight": 0.0, "share": 0.5, "unit": "word"}
    measured = letters | {"name": "pairs/measured", "weight": 0.0}
    config = {"data": {"name": "mixture/all", "mixture": {"l": letters, "w": words, "m": measured}}}
    assert trained_on(config, "unipen_words") == ("pairs/letters", "iam_words", "unipen_words")
    write_json(tmp_path / "config.json", config)
    assert trained_on(config_of("pairs/x"), str(tmp_path)) == ("pairs/x", "pairs/letters", "iam_words")
    assert reads_what(config, None) == "lines"
    assert reads_what({"data": {"name": "mixture/words", "mixture": {"w": words}}}, None) == "words"


def test_words_or_lines():
    names = ("synthetic", "iam_lines", "iam_sentences", "pairs/x", "")
    assert [reads_what(config_of(name), None) for name in names] == ["words", "lines", "lines", "", ""]
    assert reads_what(config_of("pairs/x"), {"words": 12, "samples": 10}) == "words"
    assert reads_what(config_of("pairs/x"), {"words": 0, "samples": 0}) == ""
    # The format tells more than a name of one's own, and than the labels: a word of UNIPEN may hold a space.
    assert reads_what(config_of("unipen_words/with_cut_lines"), None) == "words"
    assert reads_what(config_of("unipen_words"), {"words": 20, "samples": 10}) == "words"


def test_terms_are_of_data_sets_that_there_are():
    assert describe_terms(["unipen_words", "unipen_lines"]) == describe_terms(["unipen_lines"])
    assert summarize_terms(["copiste_lines", "unipen_words"]) == "CC BY 4.0"
    assert summarize_terms(["synthetic", "pairs/x"]) == "none: made up, not recorded"
    for name in ("unipen_words", "unipen_words/with_cut_lines", "copiste_lines"):
        assert "CC BY 4.0" in describe_terms([name])
    assert json.dumps(describe_terms(["pairs/x"])) == '"pairs/x: terms not recorded."'


def make_record(name: str, data: str, cer: float | None) -> ModelRecord:
    numbers = {"data": data, "split": "test", "decoder": "greedy", "samples": 9, "words": 9, "cer": cer}
    evaluations = {} if cer is None else {"test.json": numbers}
    return ModelRecord(name, Path(name), True, {"data": {"name": data}}, {}, {}, 1, 1, evaluations, ())


def test_the_lowest_cer_among_models_of_the_kind():
    records = [
        make_record("a", "unipen_words", 0.2),
        make_record("b", "unipen_words", 0.1),
        make_record("c", "unipen_words", None),
        make_record("d", "unipen_lines", 0.01),
        make_record("e", "copiste_lines", 0.3),
        make_record("f", "copiste_lines", 0.25),
    ]
    assert choose_model(records)[0].name == "b"
    assert "lowest recorded CER" in choose_model(records)[1]
    assert choose_model(records, PAGES)[0].name == "f"
    assert choose_model(records[:1] + records[3:])[1] == "of the shipped models of words the only one"
    unknown = [dataclasses.replace(record, evaluations={}) for record in records[:2]]
    assert choose_model(unknown[::-1])[0].name == "a"
    assert "none has a recorded CER" in choose_model(unknown)[1]
    with pytest.raises(InputError, match="--model=NAME_OR_PATH"):
        choose_model(records[:4], PAGES)


def test_lines_and_pages_are_read_by_what_has_seen_the_most_kinds_of_paper():
    sources = {
        "pen": {"name": "unipen_lines", "weight": 1.0, "share": 0.0, "unit": "line"},
        "paper": {"name": "copiste_lines", "weight": 1.0, "share": 0.0, "unit": "line"},
        "measured": {"name": "manifest/others", "weight": 0.0, "share": 0.0, "unit": "line"},
    }
    mixed = make_record("mixed", "mixture/all", 0.3)
    mixed = dataclasses.replace(mixed, config={"data": {"name": "mixture/all", "mixture": sources}})
    records = [make_record("a", "copiste_lines", 0.1), make_record("b", "unipen_lines", 0.05), mixed]
    for what in (LINES, PAGES):
        model, why = choose_model(records, what)
        assert model is mixed
        assert why.endswith(" the one trained on the most data sets")
    assert choose_model(records, INK_LINES)[0].name == "b"
    assert mixed.medium == "ink"
    # Without it the numbers decide.
    assert choose_model(records[:2], LINES)[0].name == "b"


def test_shipped_models_of_words_were_measured_on_the_same_samples():
    # Otherwise the lowest CER says little.
    words = [record for record in shipped_records() if record.reads == "words"]
    assert len({record.evaluation["ids_hash"] for record in words}) == 1
    assert default_name() == min(words, key=lambda record: record.evaluation["cer"]).name


def test_pages_are_read_by_a_model_of_lines():
    assert {record.name: record.reads for record in shipped_records()}[default_name(PAGES)] == "lines"
