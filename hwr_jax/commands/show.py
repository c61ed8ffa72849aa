"""`hwr show`: the layer table of a config."""

import sys
from collections.abc import Sequence

from hwr_jax.commands.main import run
from hwr_jax.commands.options import Parser, load_config


def main(argv: Sequence[str]) -> int:
    """Prints layer, kind, output shape and parameters of every layer, and the total."""
    parser = Parser(
        prog="hwr show",
        description="The layer table of a config: layer, output shape, parameters, total.",
        usage="hwr show --config=FILE.py[:arg] [--config.a.b=VALUE ...]",
    )
    if any(arg in ("-h", "--help") for arg in argv):
        parser.print_help()
        return 0
    config_dict, rest = load_config(argv)
    parser.parse_args(rest)

    from hwr_jax.config import resolve_config
    from hwr_jax.models.recognizer import layer_table
    from hwr_jax.text.alphabet import resolve_alphabet

    model = resolve_config(config_dict).model
    rows = layer_table(model, resolve_alphabet(model.alphabet).num_classes)
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
    return 0


if __name__ == "__main__":
    sys.exit(run("show", main, sys.argv[1:]))
