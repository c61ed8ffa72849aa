"""What makes a few lines of one's own unfit to adapt a model to: said in one line, before anything is trained."""

import collections
from collections.abc import Mapping

from hwr_jax.data.checks import kinds
from hwr_jax.data.checks.check import Findings
from hwr_jax.data.sample import describe_skips
from hwr_jax.data.splits import SPLITS
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

# Three are trained on, and one is held back for each of validation and test.
LEAST_LINES = 5
# As `training.max_left_out` of a run.
_MOST_LEFT_OUT = 0.2


def check_few_lines(name: str, findings: Findings, model: str, *, widen_alphabet: bool) -> list[str]:
    """What to know of the lines before they are trained on, a sentence each.

    Args:
      name: of the data set.
      findings: of a check against the model's alphabet.
      model: its name.
      widen_alphabet: whether the alphabet gets the characters that the model lacks.

    Raises:
      InputError: there are too few lines; one image has two texts, or is both trained on and held back; labels have
        characters outside the alphabet, which is not to be widened; or most lines cannot be trained on.
    """
    lines = sum(findings.kept.values())
    outside = findings.cases.get(kinds.OUTSIDE, {})
    # What training leaves out for its characters it will keep with a wider alphabet.
    left_out = {
        id: reason
        for part in findings.left_out.values()
        for id, reason in part.items()
        if not (widen_alphabet and id in outside)
    }
    lines += len({id for part in findings.left_out.values() for id in part} - left_out.keys())
    look = f"hwr data check {name} --model={model} shows them"
    if lines < LEAST_LINES:
        reasons = collections.Counter(left_out.values())
        why = f" ({describe_skips(reasons)} left out)" if reasons else ""
        raise InputError(
            f"data {name!r}: {count_of(lines, 'line')}{why}; adapting takes {LEAST_LINES} or more, some of which are "
            "held back to measure on; write down more of them"
        )
    if contradictory := findings.cases.get(kinds.OTHER_LABEL):
        id, others = next(iter(contradictory.items()))
        raise InputError(
            f"data {name!r}: one image has two texts: {id} is {findings.texts[id]!r}, {others}; "
            f"{_more(contradictory)}correct one of them; {look}"
        )
    if repeated := findings.cases.get(kinds.SEVERAL_SPLITS):
        id, others = next(iter(repeated.items()))
        raise InputError(
            f"data {name!r}: one image is both trained on and held back: {id} {others}; {_more(repeated)}"
            f"keep one of each; {look}"
        )
    if outside and not widen_alphabet:
        characters = " ".join(map(repr, findings.outside))
        raise InputError(
            f"data {name!r}: {count_of(outside, 'label')} of {findings.items:,} have characters that {model} does not "
            f"know: {characters}; give --widen_alphabet to have it learn them, or correct the labels; {look}"
        )
    if len(left_out) > _MOST_LEFT_OUT * findings.items:
        why = describe_skips(collections.Counter(left_out.values()))
        raise InputError(f"data {name!r}: {len(left_out):,} of {findings.items:,} lines cannot be used: {why}; {look}")
    same = findings.cases.get(kinds.SAME_LABEL, {})
    remarks = [f"left out: {describe_skips(collections.Counter(left_out.values()))}"] if left_out else []
    remarks += [f"{count_of(same, 'image')} are there more than once, so they weigh more; {look}"] if same else []
    return remarks


def describe_holding_back(findings: Findings, rule: str) -> str:
    """How many lines are trained on and held back, and by what."""
    kept = [findings.kept[split] for split in SPLITS]
    return (
        f"trains on {count_of(kept[0], 'line')}; holds back {kept[1]:,} to stop by and {kept[2]:,} to measure on "
        f"(data.split={rule})"
    )


def _more(found: Mapping[str, str]) -> str:
    count = len(found) - 2
    return f"{count:,} more images are such; " if count > 0 else ""
