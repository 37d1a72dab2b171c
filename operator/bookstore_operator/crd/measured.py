"""What the record of a release has of measurements: counts, a baseline, the result of a watch."""

from pydantic import Field

from bookstore_operator.crd.base import Part, Time
from bookstore_operator.crd.text import Message

MAX_PODS = 1500
"""More than `spec.replicas` may be, with those that a Deployment adds for a moment."""


class Counts(Part):
    """Requests and restarts of a release's Pods."""

    requests: int = Field(0, description="Completed requests.")
    errors: int = Field(0, description="Requests answered with a status of 500 or above.")
    slow: int = Field(0, description="Requests that took longer than the limit.")
    restarts: int = Field(0, description="Restarts of the API's containers.")

    def plus(self, other: "Counts", sign: int = 1) -> "Counts":
        """Return the sum of both; with sign -1 the difference."""
        return Counts(
            requests=self.requests + sign * other.requests,
            errors=self.errors + sign * other.errors,
            slow=self.slow + sign * other.slow,
            restarts=self.restarts + sign * other.restarts,
        )


class PodCounts(Counts):
    """The last counts of one Pod."""

    uid: str = Field(max_length=63, description="UID of the Pod.")
    process: str = Field(
        "",
        max_length=32,
        description="When its process started, in seconds since 1970: another one counts from 0.",
    )


class Tally(Part):
    """The counts of a release's Pods from a moment on."""

    read_at: Time | None = Field(None, description="When they were read.")
    before: Counts = Field(
        default_factory=Counts, description="Counts at that moment, which are subtracted."
    )
    gone: Counts = Field(
        default_factory=Counts, description="Last counts of Pods and processes that are gone."
    )
    pods: list[PodCounts] = Field(
        default_factory=list,
        max_length=MAX_PODS,
        description="Last counts of each Pod; empty once the result is known.",
    )


class Baseline(Part):
    """The counts of the release that served before, for comparison."""

    measured_at: Time = Field(description="When they were read.")
    seconds: int = Field(
        0, description="How long was counted. 0: since the processes of its Pods have started."
    )
    counts: Counts = Field(default_factory=Counts, description="Counts of all its Pods.")


class Watch(Part):
    """What was measured since users were sent to the release, and the result."""

    tally: Tally = Field(default_factory=Tally, description="The counts.")
    counts: Counts = Field(
        default_factory=Counts, description="Counts since users were sent to the release."
    )
    result: str = Field(
        "", max_length=63, description="Result of the watch: Passed, Breached or Inconclusive."
    )
    message: Message = Field("", description="Measured values and limits.")
