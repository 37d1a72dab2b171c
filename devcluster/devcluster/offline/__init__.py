"""What is needed only where nothing can be pulled: an engine, images and programs, made here.

The rest of devcluster imports this package and none of its modules (import-linter holds it):
these are the names by which it asks.
"""

from devcluster.offline.gobuild import (
    GO_HINT,
    PROGRAMS,
    build_programs,
    built_program,
    current_builds,
)
from devcluster.offline.localimages import LocalImages, missing_parts
from devcluster.offline.privateengine import (
    engine_users,
    release_engine,
    running_engine,
    start_engine,
    stop_unused_engine,
)
from devcluster.offline.requirements import Requirement, engine_requirements
from devcluster.offline.unused import unused_files, unused_images

__all__ = [
    "GO_HINT",
    "PROGRAMS",
    "LocalImages",
    "Requirement",
    "build_programs",
    "built_program",
    "current_builds",
    "engine_requirements",
    "engine_users",
    "missing_parts",
    "release_engine",
    "running_engine",
    "start_engine",
    "stop_unused_engine",
    "unused_files",
    "unused_images",
]
