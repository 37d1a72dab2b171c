"""`rotate-keys`: ask for another key to sign access tokens with."""

from datetime import UTC, datetime

from bookstore_operator.core.kinds import BOOKSTORES
from bookstore_operator.core.labels import ROTATE_ANNOTATION
from bookstore_operator.core.plan import Manifest
from kubectl_bookstore.cluster.kubectl import Kubectl
from kubectl_bookstore.cluster.observe import find_store
from kubectl_bookstore.commands.write import refused, report
from kubectl_bookstore.errors import ExitCode
from kubectl_bookstore.options import Output, RequiredName
from kubectl_bookstore.output import Format


def rotate_keys(kubectl: Kubectl, name: RequiredName, *, output: Output = Format.TEXT) -> ExitCode:
    """Replace the key that access tokens are signed with; no valid token is refused.

    The operator publishes a new key, signs with it once every Pod has loaded it, and retires the
    old one when no token of it is valid any more: after about 20 minutes. The BookStore's events,
    its status.signingKeys and its condition SigningKeysHealthy say how far it is. With code 7 if
    the keys are in a Secret of yours (spec.signingKeys.secretName). A key that others may know is
    not retired sooner: delete the Secret NAME-signing-keys instead.

    For example:
      kubectl bookstore rotate-keys demo
    """
    store = find_store(kubectl, name)
    spec = store["spec"]
    if secret := (spec.get("signingKeys") or {}).get("secretName"):
        message = f"The signing keys are in Secret {secret}, which the operator does not change."
        raise refused(f"{message} docs/reference/accounts.md has the steps to rotate them.")
    request = datetime.now(UTC).isoformat(timespec="milliseconds")
    kubectl.annotate(BOOKSTORES, store, {ROTATE_ANNOTATION: request})
    label = _name(store)
    later = f" It waits for: kubectl bookstore resume {label}." if spec.get("paused") else ""
    report(label, None, f"Asked the operator to rotate the signing keys of {label}.{later}", output)
    return ExitCode.DONE


def _name(store: Manifest) -> str:
    name: str = store["metadata"]["name"]
    return name
