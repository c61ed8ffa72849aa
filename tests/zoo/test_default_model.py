"""Which shipped model reads where none is named."""

import dataclasses
from pathlib import Path

import pytest

from hwr_jax.errors import InputError
from hwr_jax.zoo.model_records import ModelRecord, choose_model, default_name, shipped_records


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
    assert choose_model(records, page=False)[0].name == "b"
    assert "lowest recorded CER" in choose_model(records, page=False)[1]
    assert choose_model(records, page=True)[0].name == "f"
    assert choose_model(records[:1] + records[3:], page=False)[1] == "of the shipped models of words the only one"
    unknown = [dataclasses.replace(record, evaluations={}) for record in records[:2]]
    assert choose_model(unknown[::-1], page=False)[0].name == "a"
    assert "none has a recorded CER" in choose_model(unknown, page=False)[1]
    with pytest.raises(InputError, match="--model=NAME_OR_PATH"):
        choose_model(records[:4], page=True)


def test_shipped_models_of_words_were_measured_on_the_same_samples():
    # Otherwise the lowest CER says little.
    words = [record for record in shipped_records() if record.reads == "words"]
    assert len({record.evaluation["ids_hash"] for record in words}) == 1
    assert default_name(page=False) == min(words, key=lambda record: record.evaluation["cer"]).name


def test_pages_are_read_by_a_model_of_lines():
    assert {record.name: record.reads for record in shipped_records()}[default_name(page=True)] == "lines"
