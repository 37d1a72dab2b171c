"""What takes too long for CI: `make nightly-PART` runs a part and writes its result.

The result is docs/results/PART.json, and a row of the table in docs/results/README.md, also where
the part fails. It names the commit, so a part runs on a clean checkout only.
"""

import argparse
import json
import os
import platform
import random
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devcluster.progress import duration, say, step

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs/results"
LOGS = ROOT / ".test-output"
LIMIT_SECONDS = 40 * 60.0
FAILURES_AT_MOST = 50
FUZZED_REQUESTS = 50_000
SWITCHES = "tests/e2e/test_many_switches.py"
PYTHONS = ("3.11", "3.12", "3.13")

Result = dict[str, Any]


@dataclass(frozen=True)
class Command:
    """A command of a part, run in the checkout, and what it needs in its environment."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """It as one would type it."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return " ".join([*variables, shlex.join(self.arguments)])


@dataclass(frozen=True)
class Part:
    """What `make nightly-NAME` does: commands, one after another until one fails."""

    about: str
    commands: tuple[Command, ...]


def parts(folder: Path) -> dict[str, Part]:
    """Return every part by name; what it needs for a while goes into the folder."""
    cold = {"XDG_CACHE_HOME": f"{folder}/cache"}
    return {
        "fuzz": Part(
            f"{FUZZED_REQUESTS:,} fuzzed requests, half of them on each database",
            (Command(("scripts/fuzz", str(FUZZED_REQUESTS))),),
        ),
        "kills": Part(
            "the tests of loss, order and counts, on 12 times as many examples as in CI",
            (_pytest("-m", "invariant and not e2e", factor=12),),
        ),
        "properties": Part(
            "all other properties, on 20 times as many examples as in CI",
            (_pytest("-m", "hypothesis and not invariant and not e2e", factor=20),),
        ),
        "pythons": Part(
            f"make test on Python {', '.join(PYTHONS)}",
            tuple(
                Command(("make", target, f"VENV={folder}/{python}", f"PYTHON=python{python}"))
                for python in PYTHONS
                for target in ("setup", "test")
            ),
        ),
        "faults": Part(
            "what goes wrong with clusters and takes minutes: kills, reboots, full disks",
            (
                _pytest(
                    "--nightly", "-m", "nightly", f"--ignore={SWITCHES}", "--ignore=tests/infra"
                ),
            ),
        ),
        "clouds": Part(
            "infra/ by OpenTofu with the providers' real schemas, and by checkov",
            (
                Command(("python", "-m", "tofu_schemas", f"--mirror={folder}/mirror", "infra/aws")),
                _pytest("--nightly", "tests/infra"),
                Command(("scripts/checkov",)),
            ),
        ),
        "switches": Part(
            "20 full releases and 200 switches under traffic, and Pods that end in a switch",
            (_pytest("--nightly", "-rP", SWITCHES),),
        ),
        "cold": Part(
            "from empty caches to a BookStore that lives on a kind cluster",
            (
                Command(("devcluster", "prepare"), cold),
                Command(("make", "e2e", "ARGS=tests/e2e/test_bookstore.py"), cold),
            ),
        ),
    }


def _pytest(*arguments: str, factor: int = 1) -> Command:
    """Run pytest with other examples than CI, which always tries the same; `factor` times as many.

    The seed is in the result, so that a failure can be repeated.
    """
    seed = f"--hypothesis-seed={random.randrange(10**9)}"  # noqa: S311 - no secret
    options = ("-n4", "--dist=worksteal", "-v", "--timeout=2000", seed)
    return Command(("pytest", *options, *arguments), {"EXAMPLES_FACTOR": str(factor)})


def run_part(name: str) -> Result:
    """Run a part; return its result."""
    began, date = time.monotonic(), datetime.now(UTC)
    ran: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="nightly-") as folder:
        part = parts(Path(folder))[name]
        for number, command in enumerate(part.commands, 1):
            log, begin = LOGS / f"nightly-{name}-{number}.log", time.monotonic()
            shown = command.line.replace(folder, "/tmp/nightly")
            code = _run(shown, command, log, begin=began)
            seconds = round(time.monotonic() - begin, 1)
            ran.append({"command": shown, "seconds": seconds, "exitCode": code})
            output = log.read_text(errors="replace")
            counts += counts_in(output)
            failures += failures_in(output)
            if code != 0:
                failures = failures or [f"{shown}: exit code {code}"]
                say(f"{output[-3000:]}\nAll of its output is in {log.relative_to(ROOT)}.")
                break
    return {
        "part": name,
        "about": part.about,
        "passed": not failures,
        "date": date.isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "machine": machine(),
        "seconds": round(time.monotonic() - began, 1),
        "counts": dict(counts),
        "failures": failures[:FAILURES_AT_MOST],
        "commands": ran,
    }


def _run(title: str, command: Command, log: Path, *, begin: float) -> int:
    """Run a command until its end or the part's; its output goes to the log and to the display."""
    log.parent.mkdir(exist_ok=True)
    # Without CI, or Hypothesis would try the same examples each night.
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    with (
        step(title) as shown,
        log.open("w") as file,
        subprocess.Popen(
            command.arguments,
            cwd=ROOT,
            env={**environment, "NIGHTLY": "1", **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        limit = threading.Timer(begin + LIMIT_SECONDS - time.monotonic(), _end, (process,))
        limit.start()
        try:
            for line in process.stdout or ():
                file.write(line)
                shown.update(line)
        finally:
            limit.cancel()
            _end(process)
    return process.returncode


def _end(process: subprocess.Popen[str]) -> None:
    """End a command with all that it started, unless it has ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def counts_in(output: str) -> Counter[str]:
    """Return what pytest's last line or the fuzzer's last lines count."""
    counts: Counter[str] = Counter()
    for line in re.findall(
        r"^=+ (.*\d (?:passed|failed|error).*) in [\d.]+s.* =+$", output, re.MULTILINE
    ):
        for number, outcome in re.findall(r"(\d+) ([a-z]+)", line):
            counts[f"tests {outcome}"] += int(number)
    fuzzed = re.findall(r"^fuzz: (\w+): ([\d,]+) of", output, re.MULTILINE)
    for database, cases in dict(fuzzed).items():
        counts[f"requests on {database}"] = int(cases.replace(",", ""))
    return counts


def failures_in(output: str) -> list[str]:
    """Return pytest's summaries of what failed."""
    return re.findall(r"^(?:FAILED|ERROR) (tests/\S+::.*)$", output, re.MULTILINE)


def machine() -> dict[str, Any]:
    """Return what one needs to know of this machine to compare times."""
    models = re.findall(r"^model name\s*: (.*)$", _read("/proc/cpuinfo"), re.MULTILINE)
    memory = re.findall(r"^MemTotal:\s*(\d+) kB$", _read("/proc/meminfo"), re.MULTILINE)
    return {
        "processors": os.cpu_count(),
        "model": next(iter(models), platform.machine()),
        "memoryGiB": round(int(memory[0]) / 2**20) if memory else None,
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }


def _read(path: str) -> str:
    file = Path(path)
    return file.read_text() if file.exists() else ""


def table() -> str:
    """Return the page with a row for each result there is."""
    results = (json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json")))
    return "\n".join([_HEAD, *map(_row, results), ""])


def _row(result: Result) -> str:
    failed, on = len(result["failures"]), result["machine"]
    cells = (
        f"[{result['part']}]({result['part']}.json)",
        result["about"],
        f"{failed} failed" if failed else "passed",
        ", ".join(f"{number:,} {what}" for what, number in result["counts"].items()),
        duration(result["seconds"]),
        result["date"][:10],
        result["commit"][:12],
        f"{on['processors']} processors ({on['model']}), {on['memoryGiB']} GiB",
    )
    return f"| {' | '.join(cells)} |"


_HEAD = """\
# Results of the nightly tests

`make nightly-PART` writes this page; don't edit it. Each row is the latest run of a part of the
tests that take too long for CI. `make help` lists the parts.

| part | purpose | result | counts | time | date | commit | machine |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main(arguments: Sequence[str]) -> int:
    """Run a part and write its result; return 0 if it passed."""
    parser = argparse.ArgumentParser(prog="make nightly-PART", description=__doc__)
    parser.add_argument("part", choices=list(parts(Path())))
    name = parser.parse_args(arguments).part
    if changed := _git("status", "--porcelain", "--", ":!docs/results"):
        say(f"Commit first: a result names the commit that it is of.\n{changed}")
        return 2
    result = run_part(name)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    (RESULTS / "README.md").write_text(table())
    outcome = "passed" if result["passed"] else "FAILED"
    say(f"nightly-{name} {outcome} in {duration(result['seconds'])}: {result['counts']}")
    for failure in result["failures"]:
        say(f"  {failure}")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
