"""`python -m experiments.verify`: whether a run keeps the rules of docs/speedrun.md, and how it stands to the record.

It trains nothing. It checks the data by their hashes, counts the parameters, reads the test split again, and pairs the
result with that of the record over writers.
"""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.options import Parser, run
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.result import Result

ACCURACY, MINUTES = "accuracy", "minutes"
# The model that holds the record of accuracy; it comes with the package.
RECORD = "unipen_words_seed"
PARAMETERS = 424_081
MOST_CER = 0.15
MOST_CPUS = 2
FORMAT = "unipen_words"
# UNIPEN's words of the 37 test writers, see `hwr_jax.data.splits.hash_of_ids`.
TEST_IDS_HASH = "3ef0781640cbe3738b4ec9df8ba138a770fdc63ca762299cf7a398d0d86729df"
# Other CPUs round otherwise, and so read a word in ten thousand otherwise.
CER_TOLERANCE = 5e-4

_EPILOG = """examples:
  python -m experiments.verify runs/mine
  python -m experiments.verify runs/mine --contest=minutes

exit status: 0 the run keeps the rules; 1 it does not, or the input is wrong
"""


@dataclasses.dataclass(frozen=True)
class Check:
    """A rule and whether a run keeps it."""

    rule: str
    kept: bool
    found: str  # what was found, for people


def main(argv: Sequence[str]) -> int:
    """Checks a run by the rules of a contest, and says how it stands to the record."""
    parser = Parser(prog="python -m experiments.verify", description=main.__doc__, epilog=_EPILOG)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run that is done")
    parser.add_argument("--contest", choices=(ACCURACY, MINUTES), default=ACCURACY)
    options = parser.parse_args(argv)

    from hwr_jax.evaluation.run_files import read_json
    from hwr_jax.result import evaluate

    files = {name: read_json(options.run / f"{name}.json") for name in ("config", "environment", "usage", "status")}
    recorded = read_json(options.run / "evaluation" / "test.json")
    if files["status"].get("status") != "done":
        raise InputError(f"{options.run}: {files['status'].get('status')}, not done; start it again to its end")
    result = evaluate(options.run, into_run=False)
    checks = [
        *check_run(files, recorded, result, begun=(options.run / "init_from.json").exists()),
        *(check_minutes(files, result) if options.contest == MINUTES else check_parameters(result)),
    ]
    for check in checks:
        print(f"{'ok  ' if check.kept else 'NO  '}{check.rule}: {check.found}")
    if result.summary["ids_hash"] == TEST_IDS_HASH:
        print(compare_with_record(result, evaluate(RECORD)))
    return 0 if all(check.kept for check in checks) else 1


def check_run(
    files: dict[str, dict[str, Any]], recorded: dict[str, Any], result: "Result", *, begun: bool
) -> Iterator[Check]:
    """The rules of both contests. `files` are config, environment and usage of the run, `recorded` its own numbers."""
    data = files["config"]["data"]
    yield Check("the data are UNIPEN's words", data["name"].partition("/")[0] == FORMAT, data["name"])
    yield Check("the splits are those by writer", data["split"] in ("writer", "auto"), data["split"])
    ids = str(result.summary["ids_hash"])
    yield Check("the test words are those of the rules", ids == TEST_IDS_HASH, ids[:8])
    yield Check("it begins with nothing", not begun, "with another model" if begun else "with nothing")
    yield Check("it reads alone, greedily", recorded["decoder"] == "greedy", recorded["decoder"])
    again, told = result.summary["cer"], recorded["cer"]
    same = again is not None and abs(again - told) <= CER_TOLERANCE
    yield Check("read again it has its own CER", same, f"{again:.2%}, recorded {told:.2%}")


def check_parameters(result: "Result") -> Iterator[Check]:
    """The rule of the contest of accuracy."""
    count = result.summary["parameters"]
    yield Check(f"it has {PARAMETERS:,} parameters", count == PARAMETERS, f"{count:,}")


def check_minutes(files: dict[str, dict[str, Any]], result: "Result") -> Iterator[Check]:
    """The rules of the contest of minutes."""
    cer = result.summary["cer"]
    yield Check(f"its CER is at most {MOST_CER:.0%}", cer <= MOST_CER, f"{cer:.2%}")
    cpus, devices = files["environment"].get("cpus"), files["environment"].get("devices", [])
    on_cpu = all("cpu" in str(device).lower() for device in devices)
    small = isinstance(cpus, int) and cpus <= MOST_CPUS
    yield Check(f"it ran on at most {MOST_CPUS} CPU cores", on_cpu and small, f"{cpus} cores, {', '.join(devices)}")
    seconds = files["usage"].get("training_seconds")
    told = f"{seconds / 60:.1f} minutes" if isinstance(seconds, int | float) else "not recorded"
    yield Check("its minutes are known", told != "not recorded", told)


def compare_with_record(result: "Result", record: "Result") -> str:
    """One line: by how much the CER is above or below the record's, over the same writers."""
    from hwr_jax.text.bootstrap import paired_bootstrap

    ours, theirs = ({one.id: one for one in each.evaluation.results} for each in (result, record))
    ids = sorted(ours)
    found = paired_bootstrap(
        [ours[id].edits.character_edits for id in ids],
        [theirs[id].edits.character_edits for id in ids],
        [ours[id].edits.characters for id in ids],
        [ours[id].writer for id in ids],
    )
    if found is None:
        return f"not compared with {RECORD}: no characters"
    low, high = found.interval
    what = "beyond noise" if found.beyond_noise else "no clear difference"
    return (
        f"CER {result.summary['cer']:.2%}, the record's {record.summary['cer']:.2%}: "
        f"{100 * found.difference:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f} over writers), {what}"
    )


if __name__ == "__main__":
    sys.exit(run("experiments.verify", main, sys.argv[1:], program=""))
