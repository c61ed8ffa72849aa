"""`hwr show`: the layers of a config's model, or the whole config."""

import json
import sys
from collections.abc import Sequence

from hwr_jax.commands.options import Parser, run
from hwr_jax.messages import count_of

_STAND_IN = "iam79"  # for an alphabet that only the data tell


def main(argv: Sequence[str]) -> int:
    """Prints layer, kind, output shape and parameters of every layer and the total; or all fields of the config."""
    parser = Parser(
        prog="hwr show",
        description="Prints the layers of a config's model: kind, output shape, parameters; or the whole config.",
    )
    parser.add_config_flags()
    parser.add_argument("--resolved", action="store_true", help="print all fields of the config, defaults too")
    options = parser.parse(argv)

    from hwr_jax.config import resolve_config

    config = resolve_config(options.config)
    if options.resolved:
        from hwr_jax.nested import flatten
        from hwr_jax.strict import to_plain

        for name, value in flatten(to_plain(config), ".").items():
            print(f"{name} = {json.dumps(value, ensure_ascii=False)}")
        return 0
    from hwr_jax.models.recognizer import layer_table
    from hwr_jax.text.alphabet import FROM_TRAINING, resolve_alphabet

    model = config.model
    from_data = model.alphabet == FROM_TRAINING
    alphabet = resolve_alphabet(_STAND_IN if from_data else model.alphabet)
    rows = layer_table(model, alphabet.num_classes)
    image: tuple[int, ...] = (model.width_px, model.height_px, 1)
    shapes = [("image", "Input", image, 0)]
    shapes += [(row.name, row.kind, row.output_shape, row.parameters) for row in rows]
    print(f"{'layer':<18}{'kind':<20}{'output shape':<22}{'parameters':>12}")
    print("-" * 72)
    for name, kind, shape, parameters in shapes:
        printed = f"(batch, {', '.join(map(str, shape))})"
        print(f"{name:<18}{kind:<20}{printed:<22}{parameters:>12,}")
    print("-" * 72)
    total = sum(row.parameters for row in rows)
    print(f"{'total':<60}{total:>12,}")
    if from_data:
        characters = count_of(alphabet.characters, "character")
        print(f"The alphabet comes from the training data; this is with {_STAND_IN}, {characters}.")
    return 0


if __name__ == "__main__":
    sys.exit(run("show", main, sys.argv[1:]))
