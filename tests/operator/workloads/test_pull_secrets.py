"""What is invalid about an image pull secret."""

from typing import Any

import pytest

from bookstore_operator.workloads import pull_secrets

pytestmark = pytest.mark.scenario


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, "does not exist"),
        ({"type": "Opaque", "data": {".dockerconfigjson": "e30="}}, "is of type Opaque"),
        ({"data": {}}, "is of type Opaque"),
        ({"type": "kubernetes.io/dockerconfigjson"}, "has no key `.dockerconfigjson`"),
        ({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}, None),
        ({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "e30="}}, None),
    ],
)
def test_invalid_image_pull_secrets_have_a_reason(
    secret: dict[str, Any] | None, reason: str | None
) -> None:
    actual = pull_secrets.invalid_reason(secret)
    assert (actual is None) if reason is None else (actual or "").startswith(reason)
