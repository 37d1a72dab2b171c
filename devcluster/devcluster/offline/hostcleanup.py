"""Removes exactly what a Docker engine leaves on a machine after it has ended.

An engine makes bridges, iptables chains and rules, control groups and folders outside its own,
and changes settings of the kernel. The host's state is recorded before the engine starts
(`HostState.now`); afterwards `clean` removes what is new *and* has the marks of an engine.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from devcluster import run
from devcluster.errors import CommandFailed
from devcluster.processes import this_boot

_CGROUPS = Path("/sys/fs/cgroup")

# Folders and files outside its own that an engine makes when it starts.
_FOLDERS = (
    "/etc/docker/key.json",
    "/etc/docker",
    "/run/docker",
    "/opt/containerd",
    "/run/containerd",
)

# Settings of the kernel that an engine, the kubelet or kube-proxy changes for all of the machine.
_SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/default/forwarding",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)

_BRIDGE = re.compile(r"docker0|br-[0-9a-f]{12}")
# Rules that an engine writes: from, to and about its chains and bridges.
_MARK = re.compile(
    r"\bDOCKER\b|\bDOCKER-[A-Z0-9-]+|\bdocker0\b|\bbr-[0-9a-f]{12}\b|\bDOCKER_[A-Z]+\b"
)
_EMPTY_TABLE = re.compile(
    r"^table (?P<name>(?:ip|ip6) (?:filter|nat|mangle|raw)) \{(?P<body>.*?)^\}",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class HostState:
    """The parts of a machine's state that an engine changes."""

    interfaces: frozenset[str]
    rules: Mapping[str, tuple[str, ...]]  # "iptables" or "ip6tables": the lines of -save
    tables: frozenset[str]  # of nftables: "ip nat"
    cgroups: frozenset[str]
    folders: frozenset[str]
    settings: Mapping[str, str]
    boot: str = ""

    @classmethod
    def now(cls, tools: Mapping[str, str]) -> "HostState":
        """Read the machine's state. `tools` are the variables with which iptables and nft run."""
        return cls(
            interfaces=frozenset(name for _, name in socket.if_nameindex()),
            rules={
                program: tuple(rule_lines(_tool([f"{program}-save"], tools)))
                for program in ("iptables", "ip6tables")
            },
            tables=frozenset(
                line.removeprefix("table ")
                for line in _tool(["nft", "list", "tables"], tools).splitlines()
            ),
            cgroups=frozenset(_cgroups()),
            folders=frozenset(path for path in _FOLDERS if os.path.lexists(path)),
            settings={name: value for name in _SETTINGS if (value := _setting(name)) is not None},
            boot=this_boot(),
        )

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(asdict(self), default=sorted, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "HostState":
        """Read what `to_json` returned. Raises ValueError or KeyError if it did not."""
        data = json.loads(text)
        return cls(
            interfaces=frozenset(data["interfaces"]),
            rules={key: tuple(lines) for key, lines in data["rules"].items()},
            tables=frozenset(data["tables"]),
            cgroups=frozenset(data["cgroups"]),
            folders=frozenset(data["folders"]),
            settings=data["settings"],
            boot=data.get("boot", ""),
        )

    def after_boot(self, now: "HostState") -> "HostState":
        """Return the state before the engine, even if the machine was rebooted since.

        A reboot removes everything but files: the rest is as in `now`.
        """
        return self if self.boot in ("", now.boot) else replace(now, folders=self.folders)


def rule_lines(saved: str) -> Iterable[str]:
    """Turn the output of iptables-save into one line per rule or chain, with its table."""
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            chain, policy, _ = line[1:].split(" ", 2)
            yield f"{table} : {chain} {policy}"
        elif line.startswith("-A "):
            yield f"{table} {line}"


def removals(before: Iterable[str], now: Iterable[str]) -> list[list[str]]:
    """Return the arguments of the iptables calls that undo what an engine added, in order.

    Rules go before the chains that they jump to; policies are restored; what has no mark stays.
    """
    old = set(before)
    policies = dict(
        line.split(" : ")[1].split(" ") for line in old if " : " in line and "filter : " in line
    )
    rules: list[list[str]] = []
    emptied: list[list[str]] = []
    removed: list[list[str]] = []
    for line in now:
        if line in old:
            continue
        table, rest = line.split(" ", 1)
        if rest.startswith("-A ") and _MARK.search(rest):
            rules.append(["-t", table, *_words(rest.replace("-A ", "-D ", 1))])
        elif rest.startswith(": "):
            chain, policy = rest[2:].split(" ")
            if chain.startswith("DOCKER"):
                emptied.append(["-t", table, "-F", chain])
                removed.append(["-t", table, "-X", chain])
            elif chain == "FORWARD" and table == "filter" and policy == "DROP":
                rules.append(["-t", table, "-P", chain, policies.get(chain, "ACCEPT")])
    return [*rules, *emptied, *removed]


def _words(rule: str) -> list[str]:
    """Split a rule as iptables-save prints it: its comments are in double quotes."""
    return [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', rule)]


def clean(before: HostState, tools: Mapping[str, str]) -> list[str]:
    """Remove what an engine left, and return what that was, in words.

    Call it when the engine and all its containers have ended.
    """
    now = HostState.now(tools)
    removed = [*_clean_rules(before, now, tools), *_clean_interfaces(before, now)]
    removed += _clean_tables(before, tools)
    removed += _clean_cgroups(before)
    for path in _FOLDERS:
        if path in now.folders - before.folders and _remove(Path(path)):
            removed.append(path)
    for name, value in before.settings.items():
        if now.settings.get(name) != value:
            with contextlib.suppress(OSError):
                Path("/proc/sys", name).write_text(value)
                removed.append(f"{name.replace('/', '.')} = {value}")
    return removed


def leftovers(before: HostState, tools: Mapping[str, str]) -> list[str]:
    """Return in words what is on the machine that was not there before."""
    now = HostState.now(tools)
    new = [f"interface {name}" for name in sorted(now.interfaces - before.interfaces)]
    for program, lines in now.rules.items():
        old = set(before.rules.get(program, ()))
        new += [f"{program}: {line}" for line in lines if line not in old]
    new += [f"nftables table {name}" for name in sorted(now.tables - before.tables)]
    new += [f"control group {name}" for name in sorted(now.cgroups - before.cgroups)]
    new += sorted(now.folders - before.folders)
    new += [
        f"{name} is {now.settings.get(name)}, was {value}"
        for name, value in before.settings.items()
        if now.settings.get(name) != value
    ]
    return new


def _clean_rules(before: HostState, now: HostState, tools: Mapping[str, str]) -> list[str]:
    count = 0
    for program, lines in now.rules.items():
        for arguments in removals(before.rules.get(program, ()), lines):
            _tool([program, "--wait", *arguments], tools)
            count += 1
    return [f"{count} iptables rules and chains"] if count else []


def _clean_tables(before: HostState, tools: Mapping[str, str]) -> list[str]:
    """Delete the tables that iptables made and that are empty now."""
    deleted = []
    for match in _EMPTY_TABLE.finditer(_tool(["nft", "list", "ruleset"], tools)):
        name = match["name"]
        if name not in before.tables and table_is_empty(match["body"]):
            _tool(["nft", "delete", "table", *name.split(" ")], tools)
            deleted.append(f"table {name}")
    return deleted


def table_is_empty(body: str) -> bool:
    """Whether a table has only chains without rules that accept everything."""
    lines = [line.strip() for line in body.splitlines()]
    return all(
        not line
        or line == "}"
        or line.startswith("chain ")
        or (line.startswith("type ") and line.endswith("policy accept;"))
        for line in lines
    )


def _clean_interfaces(before: HostState, now: HostState) -> list[str]:
    new = sorted(filter(_BRIDGE.fullmatch, now.interfaces - before.interfaces))
    return [f"bridge {name}" for name in new if delete_bridge(name)]


def delete_bridge(name: str) -> bool:
    """Delete a bridge by system calls, because `ip` may not be installed."""
    get_flags, set_flags, delete, up = 0x8913, 0x8914, 0x89A1, 1
    request = name.encode().ljust(16, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            response = fcntl.ioctl(control, get_flags, request + bytes(24))
            flags = struct.unpack_from("H", response, 16)[0] & ~up
            fcntl.ioctl(control, set_flags, request + struct.pack("H", flags) + bytes(22))
            fcntl.ioctl(control, delete, request)
        except OSError:
            return False
    return True


def _clean_cgroups(before: HostState) -> list[str]:
    count = 0
    # The deepest first: a group that has groups in it can't be removed.
    for name in sorted(set(_cgroups()) - before.cgroups, key=len, reverse=True):
        with contextlib.suppress(OSError):
            (_CGROUPS / name).rmdir()
            count += 1
    return [f"{count} control groups"] if count else []


def _cgroups() -> Iterable[str]:
    """List the control groups that engines make, `docker`, `moby` and what is in them, if idle."""
    patterns = ("docker", "*/docker", "moby", "*/moby", "system.slice/docker-*.scope")
    for top in (path for pattern in patterns for path in _CGROUPS.glob(pattern)):
        containers = [top]
        if top.suffix != ".scope":
            yield str(top.relative_to(_CGROUPS))
            containers = [path for path in top.glob("*") if path.is_dir()]
        for container in containers:
            groups = [Path(folder) for folder, _, _ in os.walk(container)]
            # One with processes in it is another engine's: ours have ended.
            if not any(map(_has_processes, groups)):
                yield from (str(group.relative_to(_CGROUPS)) for group in groups)


def _has_processes(group: Path) -> bool:
    try:
        return bool((group / "cgroup.procs").read_text())
    except OSError:
        return False


def _setting(name: str) -> str | None:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return None


def _remove(path: Path) -> bool:
    """Remove a file, or a folder that has only empty folders in it."""
    try:
        if path.is_file():
            path.unlink()
        elif any(child.is_file() for child in path.rglob("*")):
            return False
        else:
            shutil.rmtree(path)
    except OSError:
        return False
    return True


def _tool(argv: list[str], tools: Mapping[str, str]) -> str:
    """Run one of the network tools; one that can't run on this kernel has nothing to list."""
    try:
        return run.output(argv, env=tools)
    except CommandFailed:
        return ""
