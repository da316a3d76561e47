"""The memory limit of columns."""


class TooLarge(Exception):  # noqa: N818 - it is no fault
    """The columns would exceed the memory limit."""


class Budget:
    """Adds up bytes, up to ``most``."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = 0

    def add(self, size: int) -> None:
        """Raises TooLarge."""
        self.size += size
        if self.size > self.most:
            raise TooLarge
