"""How kopf is set up."""

import pytest

from bookstore_operator.core.kinds import BACKUPS, BOOKSTORES, RESTORES, WATCHED
from bookstore_operator.kube.watch import settings

pytestmark = pytest.mark.scenario


def test_retries_of_a_watch_end_before_it_counts_as_silent() -> None:
    """Else kopf restarts it for ever, and the operator does not notice that it sees no changes."""
    chosen = settings()
    backoffs = chosen.networking.error_backoffs
    assert isinstance(backoffs, tuple)
    assert chosen.watching.inactivity_timeout is not None
    assert sum(backoffs) + 10 < chosen.watching.inactivity_timeout


def test_watches_select_labeled_objects_on_the_server() -> None:
    selected = settings().watching.label_selectors
    for resource in WATCHED:
        key = (resource.group, resource.version, resource.plural)
        assert (key in selected) == (resource not in {BOOKSTORES, BACKUPS, RESTORES})
