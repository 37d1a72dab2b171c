"""Write manifests/monitoring, and the rules for compose.yaml: `make generate` runs this."""

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from delivery.monitoring.dashboards import DASHBOARDS, as_json
from delivery.monitoring.objects import OBJECTIVES, groups, pod_monitors, prometheus_rule

_HEADER = "# Generated from delivery/monitoring by `make generate`: do not edit.\n"


def write(folder: Path) -> None:
    """Write all files that are generated."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pod-monitors.yaml").write_text(_yaml(pod_monitors()))
    for dashboard in DASHBOARDS:
        text = json.dumps(as_json(dashboard), indent=1, ensure_ascii=False) + "\n"
        (folder / f"dashboard-{dashboard.uid}.json").write_text(text)
    (folder / "prometheus-rule.yaml").write_text(_yaml([prometheus_rule()]))


def write_objectives(file: Path) -> None:
    """Write the rules that need no more than the API's metrics, as Prometheus itself reads them."""
    chosen = [group for group in groups() if group["name"] == OBJECTIVES]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_yaml([{"groups": chosen}]))


def _yaml(manifests: list[dict[str, Any]]) -> str:
    return _HEADER + yaml.safe_dump_all(manifests, sort_keys=False, width=1000, allow_unicode=True)


def main() -> None:
    """Write the files to where the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--objectives", type=Path, required=True)
    arguments = parser.parse_args()
    write(arguments.output)
    write_objectives(arguments.objectives)


if __name__ == "__main__":
    main()
