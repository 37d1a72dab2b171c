"""The CRDs of prometheus-operator, from its Go module, by the checksum of Go's database."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

MODULE = "github.com/prometheus-operator/prometheus-operator"
VERSION = "v0.85.0"
SUM = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="


def monitoring_crds(folder: Path, *plurals: str) -> list[dict[str, Any]]:
    """Return the CRDs of some kinds; skips where Go or its module can't be had."""
    (folder / "go.mod").write_text("module example\ngo 1.24\n")
    command = ("go", "mod", "download", "-json", f"{MODULE}@{VERSION}")
    try:
        run = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, timeout=120
        )
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no CRDs of prometheus-operator: {error}")
    module = json.loads(run.stdout)
    assert module["Sum"] == SUM, "another module than the pinned one"
    crds = Path(module["Dir"]) / "example/prometheus-operator-crd"
    return [
        yaml.safe_load((crds / f"monitoring.coreos.com_{plural}.yaml").read_text())
        for plural in plurals
    ]
