"""`hwr completion`: prints what makes a shell complete commands and flags, from the parsers as they are."""

import argparse
import importlib
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence

from hwr_jax.commands.options import Parser, run

SHELLS = ("bash", "zsh", "fish")
_EPILOG = """examples:
  eval "$(hwr completion bash)"                                       in ~/.bashrc
  eval "$(hwr completion zsh)"                                        in ~/.zshrc, after compinit
  hwr completion fish > ~/.config/fish/completions/hwr.fish
"""

_BASH = """_hwr() {{
    # What readline takes for several words where a flag has its value behind "=".
    local word="${{COMP_LINE:0:COMP_POINT}}" words=""
    word="${{word##* }}"
    if [ "$COMP_CWORD" -eq 1 ]; then
        words={commands}
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    [[ ${{COMPREPLY[0]-}} == *= ]] && compopt -o nospace 2>/dev/null
    if [[ $word == *=* && $COMP_WORDBREAKS == *=* ]]; then
        COMPREPLY=("${{COMPREPLY[@]#"${{word%%=*}}="}}")
    fi
    [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- "${{word#*=}}"))
}}
complete -F _hwr hwr
"""


class _Reached(BaseException):
    """Carries a command's parser out of the command, in place of its arguments."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def main(argv: Sequence[str]) -> int:
    """Prints the script."""
    parser = Parser(
        prog="hwr completion",
        description="Prints a script that makes a shell complete the commands of hwr, their flags and subcommands.",
        epilog=_EPILOG,
    )
    parser.add_argument("shell", choices=SHELLS)
    options = parser.parse_args(argv)

    from hwr_jax.commands.main import COMMANDS

    words = {name: list(words_of(find_parser(name))) for name in COMMANDS if name != "completion"}
    words["completion"] = [*SHELLS, "--help"]
    print(fish_script(words, COMMANDS) if options.shell == "fish" else bash_script(words, options.shell), end="")
    return 0


def find_parser(command: str) -> argparse.ArgumentParser:
    """The parser of a command, which it makes before it does anything else."""
    module = importlib.import_module(f"hwr_jax.commands.{command.replace('-', '_')}")

    def reach(self: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise _Reached(self)

    taken = argparse.ArgumentParser.parse_args
    argparse.ArgumentParser.parse_args = reach  # type: ignore[assignment,method-assign]
    try:
        module.main([])
    except _Reached as reached:
        return reached.parser
    finally:
        argparse.ArgumentParser.parse_args = taken  # type: ignore[method-assign]
    raise AssertionError(f"hwr {command} reads no arguments")


def words_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """What may stand behind a command: subcommands, flags, and flags with each value where there are few."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices
            for each in action.choices.values():
                yield from words_of(each)
        for flag in action.option_strings:
            if not flag.startswith("--"):
                continue
            if action.choices:
                yield from (f"{flag}={choice}" for choice in action.choices)
            else:
                yield flag if action.nargs == 0 else f"{flag}="


def bash_script(words: Mapping[str, Sequence[str]], shell: str = "bash") -> str:
    """For bash, and for zsh by what it has of bash's."""
    cases = "\n".join(f"            {name}) words={_quoted(found)} ;;" for name, found in words.items())
    script = _BASH.format(commands=_quoted([*words, "help"]), cases=cases)
    return script if shell == "bash" else f"autoload -U +X bashcompinit && bashcompinit\n{script}"


def fish_script(words: Mapping[str, Sequence[str]], summaries: Mapping[str, str]) -> str:
    """For fish: a line a command, and a line a flag of it."""
    lines = [
        f"complete -c hwr -n __fish_use_subcommand -f -a {name} -d {shlex.quote(summaries[name])}" for name in words
    ]
    for name, found in words.items():
        lines.append(f"complete -c hwr -n '__fish_seen_subcommand_from {name}' -a {_quoted(found)}")
    return "\n".join(lines) + "\n"


def _quoted(words: Sequence[str]) -> str:
    return shlex.quote(" ".join(dict.fromkeys(words)))


if __name__ == "__main__":
    sys.exit(run("completion", main, sys.argv[1:]))
