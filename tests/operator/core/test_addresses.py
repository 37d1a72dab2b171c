"""Which URLs of a Prometheus the operator requests."""

import pytest

from bookstore_operator.core.addresses import refuse_address, refuse_url

pytestmark = pytest.mark.golden


@pytest.mark.parametrize(
    "url",
    [
        "http://prometheus.monitoring:9090",
        "https://prometheus.example/prefix",
        "http://10.96.0.7:9090",
        "http://[fd12::7]:9090",
    ],
)
def test_a_prometheus_may_be_asked(url: str) -> None:
    assert refuse_url(url, ()) == ""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://user:secret@prometheus:9090", "credentials"),
        ("file:///etc/passwd", "none of http or https"),
        ("http://", "none of http or https"),
        ("http://[::1", "can't be read"),
        ("http://169.254.169.254/latest", "169.254.169.254"),
        ("http://[::ffff:169.254.169.254]", "169.254.169.254"),
        ("http://[fe80::1%25eth0]:9090", "fe80::1"),
        ("http://[fd00:ec2::254]", "fd00:ec2::254"),
        ("http://100.100.100.200", "100.100.100.200"),
        ("http://127.0.0.1:8080/readyz", "--prometheus-hosts"),
        ("http://0.0.0.0:8080", "address of the node"),
        ("http://224.0.0.1", "224.0.0.1"),
    ],
)
def test_what_is_no_prometheus_is_not_asked(url: str, why: str) -> None:
    refused = refuse_url(url, ())
    assert why in refused
    assert "secret" not in refused


def test_with_a_list_of_hosts_only_these_are_asked_wherever_they_are() -> None:
    allowed = ["prometheus.monitoring", "127.0.0.1"]
    assert refuse_url("http://Prometheus.Monitoring:9090", allowed) == ""
    assert refuse_url("http://127.0.0.1:9090", allowed) == ""
    assert "--prometheus-hosts" in refuse_url("http://other:9090", allowed)
    assert "credentials" in refuse_url("http://a:b@127.0.0.1", allowed)


def test_a_name_is_no_address() -> None:
    assert refuse_address("prometheus") == ""
