"""The command `nasbase`.

Exit status: 0 well; 1 the question has no answer, or something is missing or wrong (the message
says what, where, and what to do); 2 wrong usage; 3 `nasbase verify` found damage. `nasbase diff`
has those of diff(1): 1 they differ, 2 something is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from nasbase import __version__
from nasbase.cli import ask, diff, nni_install, sample, verify
from nasbase.errors import DamagedError, NasbaseError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit status."""
    given = _parser().parse_args(arguments)
    try:
        return given.run(given) or 0
    except DamagedError as error:
        print(f"nasbase: {error}", file=sys.stderr)
        return 3
    except NasbaseError as error:
        print(f"nasbase: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `nasbase ... | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nasbase",
        description="Tabular NAS benchmarks, rebuilt from the raw releases. "
        "`snakemake --cores 8` builds them; see README.md.",
        epilog="Exit status: 0 well, 1 no answer or something is wrong, 2 wrong usage, "
        "3 damage found by verify; diff: 1 they differ. `nasbase COMMAND --help` shows an example "
        "of each.",
    )
    parser.add_argument("--version", action="version", version=f"nasbase {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    ask.add(commands)
    sample.add(commands)
    verify.add(commands)
    diff.add(commands)
    nni_install.add(commands)
    return parser
