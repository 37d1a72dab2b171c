"""What is needed only where nothing can be pulled: an engine, images and programs, made here.

The rest of devcluster imports this package and none of its modules (import-linter holds it):
these are the names by which it asks.
"""

from devcluster.offline import gobuild, localimages, privateengine, requirements, unused

# Programs, built from Go modules.
GO_HINT, PROGRAMS = gobuild.GO_HINT, gobuild.PROGRAMS
build_programs, built_program = gobuild.build_programs, gobuild.built_program
# Images, made in an engine.
LocalImages, missing_parts = localimages.LocalImages, localimages.missing_parts
# The private engine.
start_engine, running_engine = privateengine.start_engine, privateengine.running_engine
release_engine, engine_users = privateengine.release_engine, privateengine.engine_users
stop_unused_engine = privateengine.stop_unused_engine
# For doctor and prune.
engine_requirements = requirements.engine_requirements
unused_files, unused_images = unused.unused_files, unused.unused_images
