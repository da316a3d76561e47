"""The family of errors. Each message is a sentence that a user can act on."""

from typing import Any

from qotgate.model.sentences import SENTENCES, Language


class QotGateError(Exception):
    """Base of every error that qotgate raises on purpose."""


class ProtocolError(QotGateError):
    """The byte stream is not this protocol, or breaks one of its limits; the stream must be closed."""


class Unreadable(QotGateError):  # noqa: N818 - a state of a file, as the reports call it
    """A file has no known format, or is damaged."""


class Refused(QotGateError):  # noqa: N818 - the outcome of a request
    """A request is refused; ``text(lang)`` gives the reason in a sentence.

    ``sentence`` is a key of :data:`qotgate.model.sentences.SENTENCES`; ``values`` fill its template.
    """

    def __init__(self, sentence: str, **values: Any) -> None:
        self.sentence = sentence
        self.values = values
        super().__init__(self.text("en"))

    def text(self, lang: Language) -> str:
        return SENTENCES[self.sentence][lang].format(**self.values)


class InvalidRequest(Refused):
    """The request is wrong; the sentence names the parameter and the values it takes."""


class InvalidPacket(InvalidRequest):
    """The body of a packet does not match its header, or cannot be decrypted."""


class Unserved(InvalidRequest):
    """The gateway does not serve the interface."""


class NothingLoaded(InvalidRequest):
    """No loaded data can answer; the sentence says what to load."""


class RateLimited(Refused):
    """The request is over the allowance; it can be granted after ``seconds``."""

    def __init__(self, sentence: str, *, seconds: float, **values: Any) -> None:
        self.seconds = seconds
        super().__init__(sentence, seconds=seconds, **values)


class Unavailable(Refused):
    """The gateway cannot answer now: its database or its limit backend is away or behind. A retry may succeed
    later."""


class StoreError(QotGateError):
    """The database cannot be opened, or does not support the request."""
