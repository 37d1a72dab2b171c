"""Write a mirror of providers: `eval "$(python -m tofu_schemas --mirror FOLDER infra/aws)"`."""

import argparse
import sys
from pathlib import Path

from devcluster import binaries
from tofu_schemas.mirror import UnknownTypeError, write_mirror
from tofu_schemas.model.binding import BindingError


def main() -> int:
    """Write the mirror, build OpenTofu, and print the variables with which `tofu` is run."""
    parser = argparse.ArgumentParser(prog="tofu_schemas", description=__doc__)
    parser.add_argument("--mirror", type=Path, required=True, help="the folder to write")
    parser.add_argument("folders", nargs="+", type=Path, help="folders with .tf files")
    arguments = parser.parse_args()
    try:
        settings = write_mirror(arguments.mirror.resolve(), arguments.folders)
    except (UnknownTypeError, BindingError, LookupError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    tofu = binaries.ensure(["tofu"])["tofu"]
    sys.stdout.write(f'export TF_CLI_CONFIG_FILE={settings} PATH={tofu.parent}:"$PATH"\n')
    return 0


if __name__ == "__main__":
    sys.exit(main())
