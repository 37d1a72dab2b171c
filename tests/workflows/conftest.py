"""What the tests of releases share with those of the chart."""

from tests.packaging.conftest import helm_folder

__all__ = ["helm_folder"]
