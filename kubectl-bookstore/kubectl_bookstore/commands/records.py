"""Read one BookStoreBackup or BookStoreRestore."""

from typing import TypeVar

from pydantic import ValidationError

from bookstore_operator.core.kinds import Resource
from bookstore_operator.core.plan import Manifest
from bookstore_operator.crd.base import CustomObject
from kubectl_bookstore.cluster.kubectl import Kubectl
from kubectl_bookstore.errors import ExitCode, PluginError

Record = TypeVar("Record", bound=CustomObject)


def find_record(kubectl: Kubectl, resource: Resource, name: str) -> Manifest:
    """Return a record that existed before. Raises PluginError if it is gone."""
    found = kubectl.find(resource, name)
    if found is None:
        message = f"{resource.kind} {name} was deleted meanwhile."
        raise PluginError(message, ExitCode.NOT_FOUND)
    return found


def parse_record(model: type[Record], manifest: Manifest) -> Record:
    """Return a record as its model. Raises PluginError if another version wrote it."""
    try:
        return model.model_validate(manifest)
    except ValidationError as error:
        message = (
            f"{manifest['kind']} {manifest['metadata']['name']} can't be read: {error}. If another "
            "version of the operator wrote it, use the plugin of that version."
        )
        raise PluginError(message) from error
