"""Reads files before a load: finds them, parses them, and computes the digest that identifies each."""

import os
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from unicodedata import category

from qotgate import sources
from qotgate.model import DayOrder, ParsedFile, Refused, Unreadable

ANY_BOOK = b"any book"
"""Makes the digest of a file loaded with ``any_book`` different."""
MAX_FILE_BYTES = 256 << 20
"""Size of the largest file that is read."""


def find_files(paths: Iterable[Path], passed_over: Counter[str] | None = None) -> list[Path]:
    """The files under ``paths``, with folders searched recursively, without hidden files, in order.

    In a folder only data files by their extension count; ``passed_over`` counts the others, by extension. A
    file in ``paths`` itself is always included. Raises QotGateError for a path that does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            for folder, inner, names in os.walk(path):
                real = Path(os.path.realpath(folder))
                inner[:] = sorted(name for name in inner if not name.startswith("."))
                for file in (Path(folder, name) for name in sorted(names) if not name.startswith(".")):
                    if file.suffix.lower() in sources.SUFFIXES:
                        target = file.resolve() if file.is_symlink() else real / file.name
                        found.update({target: None} if _is_file(file) else {})
                    elif passed_over is not None:
                        passed_over[file.suffix.lower()] += 1
        elif _is_file(path):
            found[path.resolve()] = None
        else:
            raise Refused("path_no_file" if path.exists() else "path_missing", path=path)
    return list(found)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Reading:
    """A file: its path as text, and its contents; ``reason`` tells why it could not be read. ``parsed`` and
    ``reason`` are both None for a file already loaded."""

    path: str
    digest: str = ""
    name: str = ""
    content: bytes = b""
    parsed: ParsedFile | None = None
    reason: str | None = None
    any_book: bool = False
    """Whether incomplete books are accepted."""


def read_file(path: Path, known: Collection[str], any_book: bool, dates: DayOrder | None = None) -> Reading:
    """Read a file, unless its digest is ``known``: the digest of its bytes alone, or also of its name and
    ``dates`` if reading depends on them."""
    try:
        content = read_bytes(path)
        own = digests(content, path, any_book=any_book, dates=dates)
        for digest in own.values():
            if digest in known:
                return Reading(shown(path), digest)
        name = shown(Path(path.name))
        parsed = sources.read(content, name=name, dates=dates)
    except (Unreadable, OSError) as error:
        reason = str(error.strerror) if isinstance(error, OSError) else str(error)
        return Reading(shown(path), reason=reason)
    digest = own[parsed.named, parsed.dates]
    return Reading(shown(path), digest, name, content, parsed, any_book=any_book)


def digests(
    content: bytes, path: Path, *, any_book: bool, dates: DayOrder | None = None
) -> dict[tuple[bool, DayOrder | None], str]:
    """The possible digests of a file: of its bytes, or of its bytes and name; with the user's order of days
    appended, if given."""
    salt = ANY_BOOK if any_book else b""
    name = os.fsencode(path.name)
    found = {False: sha256(content + salt).hexdigest(), True: sha256(content + name + salt).hexdigest()}
    return {
        (named, order): f"{digest}-{order}" if order else digest
        for named, digest in found.items()
        for order in {None, dates}
    }


def order_of(digest: str) -> DayOrder | None:
    """The order of days that the user gave when a file with this digest was loaded."""
    _, _, order = digest.partition("-")
    return DayOrder(order) if order else None


def shown(path: Path) -> str:
    """A path as text, whatever bytes its name has: characters that are invisible or control a terminal or
    page are written as ``\\x1b`` or ``\\u202e``."""
    text = os.fsencode(path).decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or category(one) == "Zs" else one.encode("unicode_escape").decode()
        for one in text
    )


def read_bytes(path: Path) -> bytes:
    """The bytes of a file. Raises Unreadable for a file that is too large or not a regular file, and
    OSError."""
    with open(path, "rb", opener=_open_regular) as file:
        # The file may grow meanwhile.
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise Unreadable(f"it is larger than {MAX_FILE_BYTES >> 20} MiB; load it in parts")
    return content


def _open_regular(path: str, flags: int) -> int:
    # Opening a pipe would wait for a writer. An open file cannot be replaced by another.
    file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise Unreadable(
            "it is no regular file but a pipe, a device or a folder; load takes files and folders"
        )
    return file
