"""The table of benchmarks: what it names is there."""

import pytest

from hwr_jax.config import resolve_config
from hwr_jax.config_files import load_config_file
from hwr_jax.data.formats.table import FORMATS
from hwr_jax.data.splits import rule_name
from hwr_jax.errors import InputError
from hwr_jax.zoo.benchmarks import BENCHMARKS, find_benchmark


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_what_a_benchmark_names_is_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = BENCHMARKS[name]
    assert one.name == name
    assert {*one.options} <= {option.name for option in FORMATS[one.format].options}
    resolve_config(load_config_file(one.config))
    for split in (one.split, *one.other_splits):
        assert one.choose_split(split) == split
        assert rule_name(split)
    assert {*one.samples} <= {one.split, *one.other_splits}


def test_wrong_names_are_refused_with_those_that_there_are():
    with pytest.raises(InputError, match="no benchmark 'iam_line'; did you mean 'iam_lines'"):
        find_benchmark("iam_line")
    with pytest.raises(InputError, match="--split=puigcerver: iam_lines has iam_aachen, iam_aachen_lines, iam_large"):
        find_benchmark("iam_lines").choose_split("puigcerver")
