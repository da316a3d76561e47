"""Places: how many connections are served at once."""


class Places:
    """``most`` places of one process."""

    def __init__(self, most: int) -> None:
        self._free = most

    def take(self) -> bool:
        """Take a place; False where there is none."""
        if not self._free:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """Leave a place that was taken."""
        self._free += 1
