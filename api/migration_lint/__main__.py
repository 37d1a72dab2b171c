"""Lint the migrations: `python -m migration_lint`."""

import argparse
import sys
from pathlib import Path

from bookstore_api.db.schema.tree import SCRIPTS
from migration_lint.lint import SQUAWK, SquawkError, broken_rules


def main() -> int:
    """Print each broken rule; the exit code, 1 where there is one."""
    parser = argparse.ArgumentParser(prog="migration_lint", description="Lint the migrations.")
    parser.add_argument("--scripts", type=Path, default=SCRIPTS, help="the folder of migrations")
    parser.add_argument(
        "--squawk",
        type=Path,
        default=SQUAWK,
        help="the folder with expand.toml and contract.toml",
    )
    arguments = parser.parse_args()
    try:
        broken = broken_rules(arguments.scripts, arguments.squawk)
    except SquawkError as error:
        broken = [str(error)]
    for sentence in broken:
        sys.stdout.write(f"{sentence.rstrip()}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
