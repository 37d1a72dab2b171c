"""The limit of open files: 1024 connections would else be all."""

import resource
import subprocess
import sys
from pathlib import Path

from bookstore_api.process.open_files import MOST
from tests.support.bookstore import StartProcess

RAISE = """
import resource, sys
from bookstore_api.process import open_files
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, min(hard, 512)))
open_files.raise_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    done = subprocess.run([sys.executable, "-c", RAISE], check=True, capture_output=True, text=True)
    assert int(done.stdout) == 512


def test_a_server_raises_its_limit(start: StartProcess, tmp_path: Path) -> None:
    process = start(f"sqlite:///{tmp_path}/books.db").wait_until_serving()
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    assert soft == min(hard, MOST) or hard == resource.RLIM_INFINITY
