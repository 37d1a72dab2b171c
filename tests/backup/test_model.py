"""The pure half: names, manifests, part sizes, retention, tools, errors, differences."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookstore_backup.errors import BackupError, Code, ExitCode
from bookstore_backup.model import names, problems
from bookstore_backup.model import tools as choice
from bookstore_backup.model.comparison import differences, sharp_falls
from bookstore_backup.model.manifest import (
    Collation,
    Contents,
    Dump,
    Manifest,
    Part,
    Seconds,
    Server,
    Table,
    decode,
    encode,
)
from bookstore_backup.model.parts import HIGHEST_NUMBER, MEBIBYTE, part_size
from bookstore_backup.model.retention import Candidate, Policy, deletions
from bookstore_backup.model.termination import termination_message
from bookstore_backup.model.toc import entries_to_restore
from tests.support.examples import scaled

PAGE = Path(__file__).parents[2] / "docs/reference/bookstore-backup.md"
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def manifest(**more: object) -> Manifest:
    """Return a manifest."""
    digest = "0" * 64
    return Manifest(
        name="20260101T031700Z-00ab12",
        store="shop",
        reason="schedule",
        started=BEGIN,
        completed=BEGIN,
        tool_version="1",
        client_version="18.1",
        server=Server(
            version="18.1",
            major=18,
            database="shop",
            encoding="UTF8",
            collation=Collation(provider="libc", collate="C", ctype="C"),
            extensions={},
        ),
        contents=contents(books=(3, 1)),
        dump=Dump(size=3, sha256=digest),
        parts=(Part(size=3, sha256=digest),),
        seconds=Seconds(dump=1, checksums=1, read_back=1, total=3),
    ).model_copy(update=more)


def contents(**tables: tuple[int, int]) -> Contents:
    """Return contents of tables, each with a number of rows and a checksum."""
    return Contents(
        tables={
            name: Table(rows=rows, checksum=f"{checksum:016x}")
            for name, (rows, checksum) in tables.items()
        },
        sequences={"s": 5},
    )


def test_a_manifest_is_read_as_it_was_written() -> None:
    one = manifest()
    assert decode(encode(one), store="shop", name=one.name) == one


def test_any_changed_bit_of_a_manifest_is_noticed_or_means_nothing() -> None:
    """A bit that changes spacing or the case of an escape changes nothing that is read."""
    one = manifest()
    data = encode(one)
    for position in range(len(data) * 8):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        try:
            read = decode(bytes(changed), store="shop", name=one.name)
        except BackupError as error:
            assert error.code is Code.DAMAGED  # noqa: PT017
        else:
            assert read == one


@pytest.mark.parametrize(
    ("store", "name", "text"),
    [
        ("shop-2", "20260101T031700Z-00ab12", 'of the store "shop", not of "shop-2"'),
        ("shop", "20260101T031700Z-000000", 'of the backup "20260101T031700Z-00ab12"'),
    ],
)
def test_a_manifest_of_another_store_or_backup_is_refused(store: str, name: str, text: str) -> None:
    with pytest.raises(BackupError, match=text):
        decode(encode(manifest()), store=store, name=name)


def test_a_manifest_of_a_newer_tool_says_so() -> None:
    content = json.loads(encode(manifest()))
    content["formatVersion"] = 2
    with pytest.raises(BackupError, match="format version 2, and this tool reads 1"):
        decode(json.dumps(content).encode(), store="shop", name="x")


@given(st.integers(0, 250_000_000_000))
@settings(max_examples=scaled(50))
def test_names_sort_and_read_as_their_times(second: int) -> None:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    name = names.new_name(time, "00ffee")
    assert names.started_at(name) == time
    assert names.new_name(time + timedelta(seconds=1), "000000") > name


@pytest.mark.parametrize("store", ["", "Shop", "a/b", "../x", "a..b", "-a", "a-", "a b", "ä"])
def test_a_store_name_that_would_leave_its_folder_is_refused(store: str) -> None:
    with pytest.raises(BackupError) as caught:
        names.check_store(store)
    assert caught.value.code is Code.USAGE


@pytest.mark.parametrize(
    "key",
    [
        "shop-2/20260101T031700Z-00ab12/dump.00001",
        "shop/20260101T031700Z-00ab12",
        "shop/20260101T031700Z-00ab12/a/b",
        "shop/notes/dump.00001",
        "shop/20261301T031700Z-00ab12/dump.00001",
    ],
)
def test_what_is_not_of_this_tool_is_no_backup(key: str) -> None:
    assert names.parse_key("shop", key) is None


def test_parts_grow_so_that_their_numbers_suffice() -> None:
    sizes = [part_size(number) for number in range(1, HIGHEST_NUMBER + 1)]
    assert sizes == sorted(sizes)
    assert sum(sizes) > 20 * 2**40
    assert {part_size(number) for number in range(1, 2001)} == {8 * MEBIBYTE}
    assert max(sizes) == 256 * MEBIBYTE


HISTORY = st.lists(
    st.tuples(
        st.integers(0, 900 * 24),  # hours
        st.booleans(),
        st.sampled_from(["shop", "shop", "shop", "shop-2"]),
    ),
    max_size=60,
    unique_by=lambda item: (item[0], item[2]),
)
POLICY = st.builds(
    Policy,
    keep_last=st.integers(0, 10),
    keep_daily=st.integers(0, 10),
    keep_weekly=st.integers(0, 6),
    keep_monthly=st.integers(0, 14),
    minimum=st.integers(1, 5),
)


@given(HISTORY, POLICY)
@settings(max_examples=scaled(300))
def test_retention_keeps_what_it_has_to(
    history: list[tuple[int, bool, str]], policy: Policy
) -> None:
    """The newest good backup and the minimum stay, and nothing of another store is touched."""
    backups = [
        Candidate(store, f"b{hours:06}", BEGIN + timedelta(hours=hours), good)
        for hours, good, store in history
    ]
    deleted = deletions(backups, "shop", policy)
    left = [backup for backup in backups if backup not in deleted]
    own_good = sorted(
        (b for b in backups if b.store == "shop" and b.good), key=lambda b: b.started, reverse=True
    )
    good_left = [backup for backup in own_good if backup in left]
    assert all(backup.store == "shop" for backup in deleted)
    assert len(set(deleted)) == len(deleted)
    assert (
        own_good[: max(policy.minimum, policy.keep_last)]
        == good_left[: max(policy.minimum, policy.keep_last)]
    )
    for rule, period in (("keep_daily", "%Y%m%d"), ("keep_monthly", "%Y%m")):
        kept = {backup.started.strftime(period) for backup in good_left}
        periods = list(dict.fromkeys(backup.started.strftime(period) for backup in own_good))
        assert kept >= set(periods[: getattr(policy, rule)])
    for backup in deleted:
        if not backup.good:
            newer = [other for other in good_left if other.started > backup.started]
            assert len(newer) >= policy.minimum
    # What is kept is kept again: retention that runs twice deletes nothing more.
    assert deletions(left, "shop", policy) == []


@pytest.mark.nightly
@given(HISTORY, POLICY)
@settings(max_examples=100_000)
def test_retention_keeps_what_it_has_to_in_many_histories(
    history: list[tuple[int, bool, str]], policy: Policy
) -> None:
    """As above, in 100,000 histories."""
    test_retention_keeps_what_it_has_to.hypothesis.inner_test(history, policy)  # type: ignore[attr-defined]


def test_failures_push_no_good_backup_out() -> None:
    good = Candidate("shop", "good", BEGIN)
    bad = [
        Candidate("shop", f"bad{n}", BEGIN + timedelta(days=n + 1), good=False) for n in range(50)
    ]
    assert deletions([good, *bad], "shop", Policy(keep_last=3)) == []


@pytest.mark.parametrize(
    ("server", "majors", "major"),
    [(15, {15, 18}, 15), (16, {15, 18}, 18), (18, {18}, 18)],
)
def test_a_dump_is_taken_by_the_oldest_suitable_tools(
    server: int, majors: set[int], major: int
) -> None:
    assert choice.to_dump(server, dict.fromkeys(majors, "/tools")) == major


def test_a_server_newer_than_all_tools_is_refused_by_name() -> None:
    with pytest.raises(BackupError, match=r"no client tools for PostgreSQL 19.*15 in /a, 18 in /b"):
        choice.to_dump(19, {18: "/b", 15: "/a"})


@pytest.mark.parametrize(
    ("server", "client", "majors", "major"),
    [
        (15, 15, {15, 18}, 15),
        (16, 15, {15, 16}, 15),
        (18, 15, {18}, 18),
        (17, 17, {18}, 18),
        (18, 17, {17, 18}, 17),
        (15, 18, {15, 18}, None),
        (15, 15, {17}, None),
        (16, 15, {16}, 16),
        (15, 16, {16}, 16),
        (18, 18, {17}, None),
    ],
)
def test_tools_that_restore_read_the_dump_and_write_for_the_server(
    server: int, client: int, majors: set[int], major: int | None
) -> None:
    tools = dict.fromkeys(majors, "/tools")
    if major is None:
        with pytest.raises(BackupError) as caught:
            choice.to_restore(server, client, tools)
        assert caught.value.code is Code.NO_TOOLS
    else:
        assert choice.to_restore(server, client, tools) == major


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ({"books": (3, 1)}, ""),
        ({}, "the table books is missing"),
        ({"books": (2, 1)}, "the table books has 2 rows instead of 3"),
        ({"books": (3, 2)}, "the table books has 3 rows as it should, but other content"),
        ({"books": (3, 1), "more": (0, 0)}, "the table more was not backed up"),
    ],
)
def test_each_difference_is_named(found: dict[str, tuple[int, int]], text: str) -> None:
    assert differences(contents(books=(3, 1)), contents(**found)) == ([text] if text else [])


def test_a_sequence_may_be_ahead_and_not_behind() -> None:
    ahead = contents().model_copy(update={"sequences": {"s": 9}})
    assert differences(contents(), ahead) == []
    assert differences(ahead, contents()) == ["the sequence s is at 5 instead of 9"]


def test_a_sharp_fall_is_reported() -> None:
    assert sharp_falls(contents(a=(100, 1)), contents(a=(51, 1))) == []
    assert sharp_falls(contents(a=(100, 1), b=(1, 1)), contents(a=(49, 1))) == [
        "all tables together have 49 rows, and had 101",
        "the table b is gone",
    ]


def test_comments_on_extensions_are_left_out() -> None:
    listing = (
        ";\n; Archive created\n2; 3079 16390 EXTENSION - pg_trgm \n"
        "4012; 0 0 COMMENT - EXTENSION pg_trgm \n4013; 0 0 COMMENT - SCHEMA public owner\n"
        "4014; 0 0 COMMENT public TABLE books owner\n"
    )
    left = entries_to_restore(listing)
    assert "COMMENT - EXTENSION" not in left
    assert "COMMENT - SCHEMA public" not in left
    assert "EXTENSION - pg_trgm" in left
    assert "COMMENT public TABLE books" in left


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FATAL:  password authentication failed for user", Code.DATABASE_AUTHENTICATION_FAILED),
        ("server closed the connection unexpectedly", Code.DATABASE_UNREACHABLE),
        ("permission denied for table books", Code.DATABASE_PERMISSION_DENIED),
        (
            'query would be affected by row-level security policy for table "b"',
            Code.DATABASE_PERMISSION_DENIED,
        ),
        ('relation "public.books" does not exist', Code.DATABASE_CHANGED),
        ("could not write to file: No space left on device", Code.DISK_FULL),
        ("something new", Code.DUMP_FAILED),
    ],
)
def test_what_pg_dump_says_has_a_code_and_advice(text: str, code: Code) -> None:
    error = problems.of_dump("Dumping", text)
    assert error.code is code
    assert text.split(maxsplit=1)[0] in str(error)


def test_secrets_are_in_no_message() -> None:
    text = problems.clean("postgresql://me:s3cret@host/db password=s3cret x?Signature=s3cret&a")
    assert "s3cret" not in text


def test_the_page_has_every_exit_code_and_code() -> None:
    page = PAGE.read_text("utf-8")
    for code in ExitCode:
        assert f"| {int(code)} | {code.meaning} |" in page
    for problem in Code:
        assert f"| `{problem}` | {int(problem.exit_code)} | {problem.meaning} |" in page


@pytest.mark.parametrize(
    ("backups", "recipients", "fits"), [(10, 1, 10), (200, 1, 40), (200, 40, 0)]
)
def test_a_termination_message_fits_whatever_there_is(
    backups: int, recipients: int, fits: int
) -> None:
    newest = [
        {"name": f"20261127T031700Z-{n:06x}", "state": "Verified", "size": 10**9}
        for n in range(backups)
    ]
    backup = {"name": newest[0]["name"], "size": 1, "recipients": ["age1" + "q" * 58] * recipients}
    whole = {"command": "create", "code": "done", "message": "ü" * 50, "backup": backup}
    text = termination_message({**whole, "backups": newest, "deleted": ["x" * 23] * 10})
    assert len(text.encode()) <= 4000
    read = json.loads(text)
    assert read["backup"]["name"] == backup["name"]
    assert read["backups"] == newest[: len(read["backups"])]
    assert len(read["backups"]) >= min(fits, backups)
    assert read["total"] == backups


def test_a_termination_message_that_can_not_fit_keeps_code_and_name() -> None:
    whole = {"command": "verify", "code": "damaged", "message": "ü" * 9000, "name": "a"}
    read = json.loads(termination_message(whole))
    assert (read["code"], read["name"]) == ("damaged", "a")
