"""A Docker engine for the tests of images: this machine's, or devcluster's private one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from devcluster import engine, kindcluster
from devcluster.baseimages import Role
from devcluster.engine import Choice

ENGINE_USER = "container-tests"


@pytest.fixture(scope="module")
def docker_environment() -> Iterator[dict[str, str]]:
    """Give what makes docker use an engine, with the names of base images there."""
    choice = Choice.from_environment()
    own, _ = kindcluster.choose(choice)
    if own is None:
        engine.start_private_engine(ENGINE_USER)  # no cluster decides when it ends
    try:
        roles = [Role.BASE, Role.POSTGRES, Role.VALKEY]
        yield {**os.environ, **kindcluster.image_environment(roles, choice)}
    finally:
        if own is None:
            engine.release(ENGINE_USER)
