"""Whether this process is about to stop."""


class Drain:
    """Whether this process is about to stop."""

    def __init__(self) -> None:
        self.started = False

    def start(self) -> None:
        """From now on, ask clients to go elsewhere."""
        self.started = True
