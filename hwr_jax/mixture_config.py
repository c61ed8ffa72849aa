"""What a run that trains on several data sets says of each. Nothing here imports jax."""

import dataclasses
from collections.abc import Mapping

from hwr_jax.errors import InputError
from hwr_jax.strict import check_choice, check_not_negative

# Names of mixtures are this, or begin with it and a slash: "mixture/latin".
MIXTURE = "mixture"
UNITS = ("word", "line")
# Labels of so many words and more are lines, where nobody says what they are.
_WORDS_OF_LINES = 1.5


@dataclasses.dataclass(frozen=True)
class MixtureSource:
    """A prepared data set of a mixture."""

    name: str = ""  # of the data set, as `data.name` has it
    # how often each of its training samples is drawn in an epoch: 0.5 draws half of them, another half in the next
    # epoch; with 0 the set is measured and not trained on
    weight: float = 1.0
    share: float = 0.0  # in place of the weight, its share of all samples drawn in an epoch; below 1
    split: str = "auto"  # as `data.split`; "few_writers" trains on all of a set that is too small to be split
    unit: str = "line"  # what its images hold, "word" or "line", as tables call them
    # of its labels, beside those of the same names in `data`
    last_token_labels: bool = False
    casefold: bool = False
    plain_marks: bool = False

    def __post_init__(self) -> None:
        check_not_negative("data.mixture", self, ("weight", "share"))
        check_choice("data.mixture.unit", self.unit, UNITS)

    @property
    def is_drawn(self) -> bool:
        """Whether it is trained on, and not only measured."""
        return bool(self.weight or self.share)


def unit_of(words: float | int, labels: float | int) -> str:
    """What images with so many words in so many labels hold, one of UNITS."""
    return "line" if words >= _WORDS_OF_LINES * labels else "word"


def check_mixture(name: str, sources: Mapping[str, MixtureSource]) -> None:
    """Raises InputError: sources without the name of a mixture or the reverse, or nothing that would be drawn."""
    named = name.partition("/")[0] == MIXTURE
    if not sources:
        if named:
            raise InputError(f"data.mixture: {name!r} has no data sets; give it some, or another data.name")
        return
    if not named:
        raise InputError(f"data.name: {name!r} is one data set; with data.mixture call it {MIXTURE}/NAME")
    for key, source in sources.items():
        if "/" in key or not source.name:
            fault = "names no data set; give it one" if not source.name else "has a slash; leave it out"
            raise InputError(f"data.mixture.{key}: {fault}")
    shares = sum(source.share for source in sources.values())
    weighted = any(source.weight for source in sources.values() if not source.share)
    if not shares and not weighted:
        raise InputError("data.mixture: all weights are 0, so there is nothing to train on; raise one")
    if shares > 1 or weighted == (shares == 1):
        raise InputError(
            f"data.mixture: the shares sum to {shares:g}; they must sum to 1, or to less where other sets have weights"
        )
