"""Docker Compose: the client's own plugin, or devcluster's program where there is none.

`make e2e` runs this as a program, so that no test waits while it is built.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping

from devcluster import binaries, kindcluster


def compose_program(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words that compose commands begin with; the program is built if need be."""
    docker = shutil.which("docker", path=environment["PATH"])
    assert docker is not None
    plugin = subprocess.run(
        [docker, "compose", "version"], env=dict(environment), capture_output=True, check=False
    )
    if plugin.returncode == 0:
        return (docker, "compose")
    return (str(binaries.ensure(["docker-compose"])["docker-compose"]),)


if __name__ == "__main__":
    compose_program({**os.environ, **kindcluster.image_environment([])})
