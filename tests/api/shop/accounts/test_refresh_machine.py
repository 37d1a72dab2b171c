"""Refresh tokens, by a state machine with several actors at once, on both databases.

The invariant: of a session at most one refresh token is valid, whatever is lost, repeated, stolen
or sent at the same time; and who uses a token twice never has two sessions that live on.
"""

import asyncio
import shutil
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from sqlalchemy import func, select

from bookstore_api.auth.principal import Role
from bookstore_api.db.sessions import Database, ReadSession
from bookstore_api.kit.ids import new_id
from bookstore_api.shop.accounts import accounts, session_repository, sessions
from bookstore_api.shop.accounts.models import AccountSession, RefreshToken
from bookstore_api.shop.accounts.sessions import GRACE, LIFETIME, Outcome, Rotation
from tests.support.examples import scaled
from tests.support.state_machines import on_database

T = TypeVar("T")
BEGAN = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Family:
    """What the model knows of a session: its tokens in order, and when each was used."""

    def __init__(self, session_id: UUID, account_id: UUID, token: str, began: datetime) -> None:
        self.session_id = session_id
        self.account_id = account_id
        self.tokens = [token]
        self.used_at: list[datetime | None] = [None]
        self.ends = began + LIFETIME
        self.revoked = False

    def expect(self, token: str, now: datetime) -> Outcome:
        """What has to become of a token."""
        place = self.tokens.index(token)
        if self.revoked or now >= self.ends:
            return Outcome.ENDED
        used_at = self.used_at[place]
        if used_at is None:
            return Outcome.ROTATED
        followed = self.used_at[place + 1] is None
        return Outcome.REPEATED if followed and now - used_at <= GRACE else Outcome.REUSED

    def apply(self, token: str, rotation: Rotation, now: datetime) -> None:
        if rotation.outcome is Outcome.ROTATED:
            self.used_at[self.tokens.index(token)] = now
            self.tokens.append(rotation.token)
            self.used_at.append(None)
        if rotation.outcome is Outcome.REUSED:
            self.revoked = True


class Machine(RuleBasedStateMachine):
    """Clients of a few sessions, who use, lose, repeat and steal tokens."""

    database: Database
    loop: asyncio.AbstractEventLoop
    families = Bundle("families")

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGAN
        self.begun: list[Family] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def rotate(self, token: str) -> Coroutine[Any, Any, Rotation]:
        now = self.now
        return self.database.write(lambda session: sessions.rotate(session, token, now))

    @initialize(target=families)
    def sign_in_first(self) -> Any:
        return self.sign_in()

    @rule(target=families)
    def sign_in(self) -> Any:
        if len(self.begun) == 6:
            return multiple()

        async def begin(session: Any) -> Family:
            account = await accounts.register(
                session, f"{new_id().hex}@example.com", "A", "no-hash", Role.CUSTOMER
            )
            begun, token = await sessions.begin(session, account, None, self.now)
            return Family(begun.id, account.id, token, self.now)

        family = self.run(self.database.write(begin))
        self.begun.append(family)
        return family

    @rule(family=families, back=st.integers(0, 3))
    def use(self, family: Family, back: int) -> None:
        """Use the newest token, or one that a thief has kept, or that was not answered."""
        token = family.tokens[max(len(family.tokens) - 1 - back, 0)]
        expected = family.expect(token, self.now)
        rotation = self.run(self.rotate(token))
        assert rotation.outcome is expected
        if expected is Outcome.REPEATED:
            assert rotation.token == family.tokens[family.tokens.index(token) + 1]
        family.apply(token, rotation, self.now)

    @rule(family=families)
    def replay_what_was_followed(self, family: Family) -> None:
        """Use a token again at once, though its successor was used: no answer can be lost."""
        for back in (0, 0, 2):
            self.use(family, back)

    @rule(family=families, seconds=st.sampled_from([10, 11]))
    def replay_later(self, family: Family, seconds: int) -> None:
        """Use a token again at the end of its grace, and past it."""
        self.use(family, 0)
        self.wait(seconds)
        self.use(family, 1)

    @rule(family=families, actors=st.integers(2, 4))
    def use_at_once(self, family: Family, actors: int) -> None:
        """Several use one token at the same moment: one rotates it, the others get the same."""
        token = family.tokens[-1]
        expected = family.expect(token, self.now)

        async def all_at_once() -> list[Rotation]:
            return await asyncio.gather(*(self.rotate(token) for _ in range(actors)))

        rotations = self.run(all_at_once())
        outcomes = sorted(rotation.outcome for rotation in rotations)
        if expected is not Outcome.ROTATED:
            assert set(outcomes) == {expected}
            return
        assert outcomes == [Outcome.REPEATED] * (actors - 1) + [Outcome.ROTATED]
        assert len({rotation.token for rotation in rotations}) == 1
        family.apply(token, next(r for r in rotations if r.outcome is Outcome.ROTATED), self.now)

    @rule(family=families)
    def use_and_revoke_at_once(self, family: Family) -> None:
        """Signing out wins, whichever of the two is first."""
        token, now = family.tokens[-1], self.now

        async def both() -> None:
            await asyncio.gather(
                self.rotate(token),
                self.database.write(
                    lambda session: session_repository.revoke(
                        session, family.session_id, family.account_id, now
                    )
                ),
            )

        self.run(both())
        family.revoked = True

    @rule(seconds=st.sampled_from([1, 9, 10, 11, 3600]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def wait_for_the_end(self) -> None:
        self.now += LIFETIME - timedelta(days=1)

    @rule(guess=st.sampled_from(["", "x", "0" * 64]))
    def guess(self, guess: str) -> None:
        assert self.run(self.rotate(guess)).outcome is Outcome.UNKNOWN

    @invariant()
    def no_session_has_two_valid_tokens(self) -> None:
        async def count(session: ReadSession) -> dict[UUID, int]:
            query = (
                select(RefreshToken.session_id, func.count())
                .join(AccountSession, AccountSession.id == RefreshToken.session_id)
                .where(
                    RefreshToken.used_at.is_(None),
                    AccountSession.revoked_at.is_(None),
                    AccountSession.expires_at > self.now,
                    AccountSession.id.in_([family.session_id for family in self.begun]),
                )
                .group_by(RefreshToken.session_id)
            )
            return {row[0]: row[1] for row in await session.execute(query)}

        if not self.begun:
            return
        valid = self.run(self.database.read(count))
        for family in self.begun:
            live = not family.revoked and self.now < family.ends
            assert valid.get(family.session_id, 0) == (1 if live else 0)


EXAMPLES = settings(max_examples=scaled(30), stateful_step_count=30, deadline=None)


@pytest.mark.invariant
def test_no_session_ever_has_two_valid_tokens_on_sqlite(
    migrated_file: Path, tmp_path: Path
) -> None:
    shutil.copy(migrated_file, tmp_path / "books.db")
    with on_database(Machine, f"sqlite:///{tmp_path / 'books.db'}") as machine:
        stateful.run_state_machine_as_test(machine, settings=EXAMPLES)


@pytest.mark.invariant
def test_no_session_ever_has_two_valid_tokens_on_postgresql(migrated_postgres: str) -> None:
    with on_database(Machine, migrated_postgres) as machine:
        stateful.run_state_machine_as_test(machine, settings=EXAMPLES)
