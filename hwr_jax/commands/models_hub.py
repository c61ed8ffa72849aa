"""`hwr models pull` and `hwr models push`: models of a hub."""

import argparse
from collections.abc import Callable, Mapping, Sequence

from hwr_jax.commands.options import MODEL_HELP, Parser

_ADDRESS = "hf://OWNER/NAME"


def pull_main(argv: Sequence[str]) -> int:
    """Fetches a model and prints the folder it lies in."""
    parser = Parser(
        prog="hwr models pull",
        description="Fetches a model of the Hugging Face hub into its cache, checks it, and prints the folder. "
        "Commands that take --model do the same by themselves. Nothing else of this package uses the network.",
        epilog="examples:\n  hwr models pull hf://OWNER/NAME\n  hwr read --model=hf://OWNER/NAME word.png\n",
    )
    parser.add_argument("address", metavar=_ADDRESS, help="with @REVISION behind it: a branch, a tag or a commit")
    options = parser.parse_args(argv)

    from hwr_jax.hub import pull

    print(pull(options.address))
    return 0


def push_main(argv: Sequence[str]) -> int:
    """Uploads a model and prints the address of the commit."""
    parser = Parser(
        prog="hwr models push",
        description="Uploads a model to the Hugging Face hub: parameters as safetensors, JSON, and a card with the "
        "recorded evaluations. You need a token that may write: hf auth login, or HF_TOKEN.",
        epilog="examples:\n  hwr models push runs/mine hf://OWNER/NAME\n",
    )
    parser.add_argument("model", metavar="NAME_OR_PATH", help=MODEL_HELP)
    parser.add_argument("address", metavar=_ADDRESS, help="made if it is not there")
    parser.add_argument("--public", action="store_true", help="a repository that is made can be seen by everybody")
    parser.add_argument("--licence", default="", metavar="TEXT", help="a note on the data that the model learnt from")
    parser.add_argument("--checkpoint", choices=("best", "latest"), default="best", help="of a run (default best)")
    options: argparse.Namespace = parser.parse_args(argv)

    from hwr_jax.publish import push

    wanted = {name: getattr(options, name) for name in ("public", "licence", "checkpoint")}
    print(push(options.model, options.address, **wanted))
    return 0


HUB_COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {"pull": pull_main, "push": push_main}
