"""`bookstore-api contract`."""

from bookstore_api import __version__
from bookstore_api.cli.command import run_command
from bookstore_api.db.schema.tree import Branch, load_tree
from bookstore_api.process.result import CommandResult
from bookstore_api.settings import Settings

CONTRACT_VERSION = 1
"""The version of docs/reference/contract.md that this code keeps."""
HEALTH_CONNECTIONS = 1


def contract() -> None:
    """Describe this image to whoever operates it; needs no database.

    Exit codes: 0 described, 1 a setting is malformed.
    """
    run_command("contract", describe, enforced=())


def describe(settings: Settings) -> CommandResult:
    """Return what an operator must know of this code, with these settings."""
    tree = load_tree()
    connections = settings.database_pool_size + HEALTH_CONNECTIONS
    return CommandResult(
        "contract",
        "described",
        f"bookstore-api {__version__} keeps version {CONTRACT_VERSION} of the contract; "
        f"a process opens at most {connections} database connections.",
        details={
            "contract": CONTRACT_VERSION,
            "version": __version__,
            "heads": {branch.value: sorted(tree.heads(branch)) for branch in Branch},
            "connectionsPerPod": connections,
        },
    )
