"""The tests of the whole repository: a package, as a dependency installs one of this name too."""
