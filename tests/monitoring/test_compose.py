"""The Prometheus of compose.yaml: a real one, with its configuration, scrapes a real API."""

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from delivery.monitoring.objects import groups
from tests.support.kube import wait_for
from tests.support.ports import free_port
from tests.support.promtool import promtool, require

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "compose/prometheus.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
PROMETHEUS: dict[str, Any] = COMPOSE["services"]["prometheus"]


def test_prometheus_reads_what_compose_mounts() -> None:
    mounts = dict(volume.split(":")[:2] for volume in PROMETHEUS["volumes"])
    inside = {target: source for source, target in mounts.items()}
    settings = dict(option.split("=", 1) for option in PROMETHEUS["command"])
    assert ROOT / inside[settings["--config.file"]] == CONFIGURATION
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    for rules in configuration["rule_files"]:
        assert (ROOT / inside[rules]).is_file()
    assert inside[settings["--storage.tsdb.path"]] in COMPOSE["volumes"]


def test_it_scrapes_the_internal_port_of_every_service_that_serves() -> None:
    (job,) = yaml.safe_load(CONFIGURATION.read_text())["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    serving = {n: s for n, s in COMPOSE["services"].items() if "8000" in str(s.get("ports"))}
    assert set(found["names"]) == set(serving)
    for service in serving.values():
        assert service["environment"]["BOOKSTORE_INTERNAL_HOST"] == "::"
        assert not any("8001" in port for port in service["ports"]), "it is not published"


def test_its_rules_are_those_of_the_objectives(tmp_path: Path) -> None:
    rules = ROOT / "compose/rules.yaml"
    assert yaml.safe_load(rules.read_text())["groups"] == groups()[:1]
    checked = promtool("check", "rules", rules, folder=tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_it_scrapes_an_api_with_the_labels_of_the_rules(tmp_path: Path) -> None:
    """The names of services are those of compose only: here a file names the target."""
    program = require() / "prometheus"
    internal, port = free_port(), free_port()
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    configuration["rule_files"] = [str(ROOT / "compose/rules.yaml")]
    configuration["global"]["scrape_interval"] = "1s"
    configuration["global"]["scrape_timeout"] = "1s"
    (job,) = configuration["scrape_configs"]
    del job["dns_sd_configs"]
    labels = {"__meta_dns_name": "api"}
    job["static_configs"] = [{"targets": [f"127.0.0.1:{internal}"], "labels": labels}]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    api = [sys.executable, "-m", "bookstore_api", "serve"]
    settings = {
        "BOOKSTORE_PORT": "0",
        "BOOKSTORE_INTERNAL_PORT": str(internal),
        "BOOKSTORE_DATABASE_URL": f"sqlite:///{tmp_path}/books.db",
        "BOOKSTORE_ENVIRONMENT": "development",
    }
    server = [str(program), f"--config.file={tmp_path}/prometheus.yaml"]
    server += [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with running(api, tmp_path / "api.log", settings), running(server, tmp_path / "prometheus.log"):
        wanted = {"namespace": "compose", "bookstore": "api"}

        def is_up() -> bool:
            series = query(port, 'up{job="bookstore-api"}')
            return [item["value"][1] for item in series] == ["1"] and all(
                wanted.items() <= item["metric"].items() for item in series
            )

        wait_for(is_up, 30, "the API to be scraped")


@contextmanager
def running(
    command: list[str], log: Path, settings: dict[str, str] | None = None
) -> Iterator[None]:
    """Run a program during the block; its log is shown if that fails."""
    with log.open("w") as output:
        process = subprocess.Popen(command, env=settings, stdout=output, stderr=output)
        try:
            yield
        except BaseException:
            print(log.read_text()[-3000:])
            raise
        finally:
            process.terminate()
            process.wait(timeout=30)


def query(port: int, text: str) -> list[dict[str, Any]]:
    """Return what Prometheus answers; nothing while it does not."""
    url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(text)}"
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    except OSError:
        return []
    return found
