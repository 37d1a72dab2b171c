"""Write manifests/monitoring: `make generate` runs this."""

import argparse
from pathlib import Path
from typing import Any

import yaml

from delivery.monitoring.objects import pod_monitors, prometheus_rule

_HEADER = "# Generated from delivery/monitoring by `make generate`: do not edit.\n"


def write(folder: Path) -> None:
    """Write all files that are generated."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pod-monitors.yaml").write_text(_yaml(pod_monitors()))
    (folder / "prometheus-rule.yaml").write_text(_yaml([prometheus_rule()]))


def _yaml(manifests: list[dict[str, Any]]) -> str:
    return _HEADER + yaml.safe_dump_all(manifests, sort_keys=False, width=1000, allow_unicode=True)


def main() -> None:
    """Write the files into a folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, required=True)
    write(parser.parse_args().output)


if __name__ == "__main__":
    main()
