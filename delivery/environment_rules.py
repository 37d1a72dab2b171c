"""`make environment-rules`: ask GitHub whether an environment has reviewers, or fail."""

import json
import subprocess
import sys

from delivery.checks.environments import problems
from delivery.images import ImageError, variable


def main() -> int:
    """Check the environment that ENVIRONMENT names, of REPOSITORY; return the exit code."""
    try:
        path = f"repos/{variable('REPOSITORY')}/environments/{variable('ENVIRONMENT')}"
    except ImageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    asked = subprocess.run(["gh", "api", path], stdout=subprocess.PIPE, text=True, check=False)
    if asked.returncode != 0:
        sys.stderr.write(f"GitHub gives no rules of {path}: create the environment.\n")
        return 1
    found = list(problems(json.loads(asked.stdout)))
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
