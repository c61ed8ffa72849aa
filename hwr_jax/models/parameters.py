"""What an optimizer must know of a parameter, and tables by which an encoder says it."""

import dataclasses
import fnmatch
from collections.abc import Callable, Mapping


@dataclasses.dataclass(frozen=True)
class Parameter:
    """What a parameter is to the optimizer.

    Attributes:
      outputs: how many of its last axes are a matrix's outputs; the axes before them are its inputs. 0: it is no
        matrix, as biases, scales and depthwise kernels are none: no weight decay, and no update by Muon.
      gates: how many matrices of equal size lie side by side along the last axis, as the four gates of an LSTM do.
      classes: whether its last axis is that of the classes, as in a classifier; Muon leaves those to Nadam.
    """

    outputs: int = 0
    gates: int = 1
    classes: bool = False


# Patterns of names ("block1/norm/scale") to what parameters are; the first that fits counts, and none fits a vector.
Parameters = Mapping[str, Parameter]
ParameterOf = Callable[[str], Parameter]

# Of layers as flax has them: Dense, Conv, LayerNorm.
KERNELS: Parameters = {"*kernel": Parameter(outputs=1)}
LSTMS: Parameters = {"*_kernel": Parameter(outputs=1, gates=4)}
CLASSIFIER: Parameters = {"*kernel": Parameter(outputs=1, classes=True), "*": Parameter(classes=True)}


def make_parameter_of(parameters: Parameters) -> ParameterOf:
    """Returns `parameter_of(name) -> Parameter` by a table of patterns."""

    def parameter_of(name: str) -> Parameter:
        return next((found for pattern, found in parameters.items() if fnmatch.fnmatchcase(name, pattern)), Parameter())

    return parameter_of
