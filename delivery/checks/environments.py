"""Whether an environment's rules on GitHub keep a deployment until somebody else agrees."""

from collections.abc import Iterator, Mapping
from typing import Any


def problems(environment: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an environment lacks, from the answer of GitHub's REST API for it.

    https://docs.github.com/en/rest/deployments/environments#get-an-environment
    """
    name = environment["name"]
    rules = {rule["type"]: rule for rule in environment.get("protection_rules") or ()}
    reviewers = rules.get("required_reviewers", {})
    if not reviewers.get("reviewers"):
        yield f"Environment {name} has no required reviewers: add them in its settings."
    elif not reviewers.get("prevent_self_review"):
        yield f"Environment {name} lets people approve their own deployment: prevent self-review."
    if not environment.get("deployment_branch_policy"):
        yield f"Environment {name} takes deployments from any branch: allow main only."
    if environment.get("can_admins_bypass"):
        yield f"Environment {name} lets administrators bypass its rules: switch that off."
