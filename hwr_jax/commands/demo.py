"""`hwr demo`: serves the page that reads handwriting, on this machine alone."""

import argparse
import sys
from collections.abc import Sequence

from hwr_jax.commands.options import MODEL_HELP, Parser, run


def main(argv: Sequence[str]) -> int:
    """Serves the page until Ctrl+C."""
    parser = Parser(
        prog="hwr demo",
        description="Serves a page that reads pen strokes and images, at an address of this machine alone, until "
        "Ctrl+C. It is the page that hwr export --format=html writes. All is read in the browser; nothing is sent to "
        "the server.",
    )
    default = "default: the package's model of words with the lowest recorded CER"
    parser.add_argument("--model", metavar="NAME_OR_PATH", help=f"{MODEL_HELP} ({default})")
    parser.add_argument("--port", type=_port, default=8321, metavar="N", help="0: one that is free (default 8321)")
    options = parser.parse_args(argv)

    from hwr_jax.demo_server import ADDRESS, build_server
    from hwr_jax.export import make_page
    from hwr_jax.zoo.model_records import default_name

    model, page = make_page(options.model or default_name())
    with build_server(page, options.port) as server:
        print(f"{model.name} reads at http://{ADDRESS}:{server.server_port}/ (Ctrl+C ends it)", flush=True)
        server.serve_forever()
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(run("demo", main, sys.argv[1:]))
