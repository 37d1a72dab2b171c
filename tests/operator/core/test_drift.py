"""What counts as a difference between desired and observed."""

from typing import Any

import pytest

from bookstore_operator.core.drift import differences

pytestmark = pytest.mark.golden


@pytest.mark.parametrize(
    ("desired", "observed"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": {}}, {}),
        ({"a": None, "b": []}, {}),
        ({"paused": False}, {}),
        ({"env": [{"name": "A", "value": ""}]}, {"env": [{"name": "A"}]}),
        ({"requests": {"cpu": "500m"}}, {"requests": {"cpu": "0.5"}}),
        ({"requests": {"cpu": "1"}}, {"requests": {"cpu": 1}}),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1024Mi"}}),
        (
            {"containers": [{"name": "api", "image": "i"}]},
            {"containers": [{"name": "mesh"}, {"name": "api", "image": "i", "tty": False}]},
        ),
        ({"drop": ["ALL"]}, {"drop": ["ALL"]}),
        ({"rules": [{"port": 1}]}, {"rules": [{"port": 1, "protocol": "TCP"}]}),
        ({"selector": {"matchLabels": {"a": "b"}}}, {"selector": {"matchLabels": {"a": "b"}}}),
    ],
)
def test_additional_observed_fields_are_no_difference(desired: Any, observed: Any) -> None:
    assert list(differences(desired, observed)) == []


@pytest.mark.parametrize(
    ("desired", "observed", "path"),
    [
        ({"a": 1}, {}, "a is missing, not 1"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b is 2, not 1"),
        ({"paused": False}, {"paused": True}, "paused is True, not False"),
        ({"a": False}, {}, "a is missing, not False"),
        ({"a": 1}, {"a": True}, "a is True, not 1"),
        ({"name": "1Gi"}, {"name": "1024Mi"}, "name is 1024Mi, not 1Gi"),
        ({"requests": {"cpu": "500m"}}, {"requests": {"cpu": "0.6"}}, "requests.cpu is 0.6"),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "B"}]}, "env.A is missing"),
        ({"rules": [{"port": 1}]}, {"rules": [{"port": 1}, {"port": 2}]}, "rules has 2 items"),
        ({"rules": [{"port": 1}]}, {"rules": [{"port": 2}]}, "rules.0.port is 2, not 1"),
        ({"selector": {"a": "b"}}, {"selector": {"a": "b", "c": "d"}}, "selector also has c"),
        (
            {"selector": {"matchLabels": {"a": "b"}}},
            {"selector": {"matchLabels": {"a": "b", "c": "d"}}},
            "selector.matchLabels also has c",
        ),
    ],
)
def test_a_difference_is_named(desired: Any, observed: Any, path: str) -> None:
    (why,) = differences(desired, observed)
    assert why.text.startswith(path)
