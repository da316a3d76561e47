"""Options. Sources in order of precedence: flags, QOTGATE_* variables, a folder of secrets, a TOML file,
defaults.

Docker, Kubernetes and systemd put secrets into a folder, to keep them out of variables and configuration
files. Each file is named like the variable, in any case, and contains its value.

What a command reads before it does anything, so this imports little.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import EllipsisType
from typing import Any, Generic, Literal, Self, TypeVar, get_args, overload

import platformdirs
from sqlalchemy import URL

from qotgate.model import ACTIVE_FUNDS, Language, QotGateError
from qotgate.model.sentences import language_of
from qotgate.protocol.interface import OWN_QUESTIONS
from qotgate.serving.kinds import (
    PATH,
    SECRET_TEXT,
    SWITCH,
    Kind,
    number,
    several,
    text,
    whole,
    word,
)

T = TypeVar("T")
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
UPSTREAM_FOR = (*map(str, sorted(OWN_QUESTIONS)), "1005", "3219", "3223")
"""The proto ids that the gateway answers itself; the last three go to an OpenD if one is configured."""


def user_folder(find: Callable[[str], Path]) -> Path:
    """The folder of this account's configuration or data, found by platformdirs' ``find``. Raises
    QotGateError for an account without a home."""
    try:
        return find("qotgate")
    except RuntimeError as error:
        raise QotGateError(
            "This account has no home folder: set HOME, or name the database with --db."
        ) from error


def _config_file() -> Path:
    try:
        return user_folder(platformdirs.user_config_path) / "qotgate.toml"
    except QotGateError:
        # No such file; flags and variables still work.
        return Path(os.devnull, "qotgate.toml")


CONFIG_FILE = _config_file()
SECRETS_FOLDERS = ("QOTGATE_SECRETS", "CREDENTIALS_DIRECTORY")
"""Variables that name the folder of secrets; the first one set counts. The second is systemd's."""


LONGEST_INTEGER = 10_000
"""Bits of an integer that is shown: Python writes 4,300 digits at most, some 14,000 bits."""
OF_TESTS = "TEST_"
"""The prefix of the tests' variables, after QOTGATE_."""


def secrets_folder() -> Path | None:
    """The folder with one option in each file; None if there is none."""
    named = next(filter(None, map(os.environ.get, SECRETS_FOLDERS)), None)
    return Path(named) if named and Path(named).is_dir() else None


def _default_database() -> str:
    path = user_folder(platformdirs.user_data_path) / "qotgate.db"
    return URL.create("sqlite", database=str(path)).render_as_string()


def _origin(part: str) -> str:
    if part not in ("*", "null") and not re.fullmatch(r"https?://[^/?#\s]+", part):
        raise ValueError
    return part


def _own_question(part: str) -> int:
    if part not in UPSTREAM_FOR:
        raise ValueError
    return int(part)


def _language(tag: Any) -> Language:
    found = language_of(tag) if isinstance(tag, str) else None
    if found is None:
        raise ValueError
    return found


def _database(value: Any) -> str:
    """A path that ends as SQLite files do names a database."""
    given = ANY_TEXT.read(value)
    is_path = "://" not in given and given.endswith((".db", ".sqlite", ".sqlite3"))
    return f"sqlite:///{given}" if is_path else given


ANY_TEXT = text()
ADDRESS = text("an address", "(?s:.+)")
PORT = whole(0, 65535)
FUNDS = several("funds, comma separated", str.upper, least=1)
ORIGINS = several("origins such as https://example.com, comma separated, or null, or *", _origin)
QUESTIONS = several(f"proto ids of {', '.join(UPSTREAM_FOR)}, comma separated", _own_question)
LANGUAGE = Kind(" or ".join(get_args(Language)), "|".join(get_args(Language)), _language)
LOG_FORMAT: Kind[LogFormat] = word("text", "json")
DATABASE = Kind("a database", "URL", _database)


class Option(Generic[T]):
    """An option: an attribute of :class:`Settings`, which has its value.

    ``kind`` is what it takes; ``default_factory`` makes the default where ``default`` is ``...``. ``help``
    and ``metavar`` describe its flag of ``serve``; ``flag=False`` means no flag. A ``secret`` is never shown.
    A reload does not apply an option ``at_next_start``.
    """

    name: str

    def __init__(
        self,
        kind: Kind[T],
        default: T | EllipsisType,
        help: str,  # noqa: A002 - as a flag has it
        *,
        metavar: str = "",
        flag: bool = True,
        secret: bool = False,
        at_next_start: bool = False,
        default_factory: Callable[[], T] | None = None,
    ) -> None:
        self.kind = kind
        self.default = default
        self.help = help
        self.metavar = metavar or kind.metavar
        self.flag = flag
        self.secret = secret
        self.at_next_start = at_next_start
        self.default_factory = default_factory

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, settings: None, owner: type) -> Self: ...
    @overload
    def __get__(self, settings: "Settings", owner: type) -> T: ...
    def __get__(self, settings: "Settings | None", owner: type) -> Self | T:
        if settings is None:
            return self
        found: T = vars(settings)[self.name]
        return found

    def __set__(self, settings: "Settings", value: Any) -> None:
        raise AttributeError(f"{self.name} does not change")

    @property
    def flag_name(self) -> str:
        """The option as a flag."""
        return f"--{self.name.replace('_', '-')}"

    def read(self, value: Any) -> T:
        """The value that was given as ``value``. Raises QotGateError."""
        try:
            return self.kind.read(value)
        except ValueError:
            # Such as TOML's hexadecimal ones, which are read whatever their length.
            long = isinstance(value, int) and value.bit_length() > LONGEST_INTEGER
            told = "" if self.secret or long else f", not {value!r}"
            raise QotGateError(f"{self.flag_name} takes {self.kind.takes}{told}.") from None


class Settings:
    """The table of every option that the gateway, or more than one command, takes."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """``values`` are those that were given, as :meth:`Option.read` returns them."""
        self.given = frozenset(values)
        """The names of the options that were given."""
        for name, option in OPTIONS.items():
            if name in values:
                vars(self)[name] = values[name]
            else:
                vars(self)[name] = option.default_factory() if option.default_factory else option.default

    host = Option(ADDRESS, "127.0.0.1", "Address to listen on; default 127.0.0.1.", at_next_start=True)
    port = Option(PORT, 11111, "Port; default 11111, 0 for a free one.", at_next_start=True)
    rate_limit = Option(
        ANY_TEXT,
        "60/30s",
        "First-page requests allowed per interface; default 60/30s.",
        metavar="N/SECONDSs|off",
    )
    rate_limit_scope: Option[Literal["gateway", "connection"]] = Option(
        word("gateway", "connection"),
        "gateway",
        "Scope of the limit; default the whole gateway.",
        at_next_start=True,
    )
    limit_store = Option(
        SECRET_TEXT,
        None,
        "Redis or Valkey where gateways share one allowance, redis://HOST:PORT/NUMBER; "
        "with a password, better use QOTGATE_LIMIT_STORE.",
        metavar="URL",
        at_next_start=True,
        secret=True,
    )
    limit_store_down: Option[Literal["local", "refuse"]] = Option(
        word("local", "refuse"),
        "local",
        "While it is away: the gateway's own allowance (default), or refuse requests that count.",
        at_next_start=True,
    )
    max_connections = Option(whole(1), 128, "Connections at once; default 128.")
    max_connections_per_address = Option(
        whole(1), None, "Connections at once from one address; default no limit.", at_next_start=True
    )
    workers = Option(
        whole(1, 256),
        1,
        "Processes that serve the same ports within the same limits; default 1.",
        at_next_start=True,
    )
    request_limit = Option(whole(1024), 1 << 20, "Bytes of the longest request; default 1048576.")
    keep_alive_interval = Option(
        whole(1, 3600),
        10,
        "Seconds between keep-alives; a connection silent for three intervals is dropped. Default 10.",
    )
    funds: Option[tuple[str, ...]] = Option(
        FUNDS,
        ACTIVE_FUNDS,
        "ARK funds, comma separated, or one. Default: for trades the active ones (ARKF, ARKG, "
        "ARKK, ARKQ, ARKW, ARKX), for holdings IZRL and PRNT too.",
    )
    window_days = Option(whole(1, 3660), 30, "Calendar days in the window of a dynamic; default 30.")
    data_cache_bytes = Option(
        whole(0),
        64 << 20,
        "Bytes of memory for cached data, beyond which the database answers; default 67108864, 0 for none.",
    )
    rsa_key = Option(PATH, None, "RSA key (PKCS#1 PEM) that clients encrypt with.", metavar="FILE")
    allow_plaintext = Option(SWITCH, False, "With a key, accept clients without it too.")
    websocket_port = Option(
        PORT, None, "Port for JavaScript clients, 33333 in their examples; default off.", at_next_start=True
    )
    websocket_host = Option(ADDRESS, "127.0.0.1", "Its address; default 127.0.0.1.", at_next_start=True)
    websocket_key = Option(SECRET_TEXT, None, "Key that its clients must send.", secret=True)
    websocket_key_md5 = Option(
        text("32 hexadecimal digits", "[0-9A-Fa-f]{32}"),
        None,
        "That key's MD5 in hexadecimal, instead of the key.",
        secret=True,
    )
    websocket_origins: Option[tuple[str, ...]] = Option(
        ORIGINS, (), "Web sites whose pages may connect; default this machine's own.", metavar="ORIGIN,...|*"
    )
    websocket_cert = Option(PATH, None, "Certificate (PEM) for wss.", metavar="FILE")
    websocket_private_key = Option(PATH, None, "The certificate's private key (PEM).", metavar="FILE")
    upstream = Option(
        text("HOST:PORT", "(?s:.+)"),
        None,
        "OpenD that answers everything except the gateway's own questions; default none.",
        metavar="HOST:PORT",
        at_next_start=True,
    )
    upstream_rsa_key = Option(PATH, None, "OpenD's RSA key (PKCS#1 PEM).", metavar="FILE", at_next_start=True)
    upstream_encryption: Option[Literal["aes_cbc", "aes_ecb", "ftaes_ecb"]] = Option(
        word("aes_cbc", "aes_ecb", "ftaes_ecb"),
        "aes_cbc",
        "The cipher towards OpenD with that key; default aes_cbc.",
        at_next_start=True,
    )
    upstream_for: Option[tuple[int, ...]] = Option(
        QUESTIONS,
        (),
        "The gateway's own questions that OpenD answers instead: of 3229, 3230, 3423 to 3426.",
        metavar="3426,...",
        at_next_start=True,
    )
    upstream_trade = Option(
        SWITCH,
        False,
        "Forward trading requests; from other machines only over encrypted connections.",
        at_next_start=True,
    )
    upstream_cache = Option(
        PATH,
        None,
        "Cache of OpenD's answers that do not change; default none.",
        metavar="FOLDER",
        at_next_start=True,
    )
    record = Option(
        PATH,
        None,
        "With --upstream, record OpenD's answers there, without personal data.",
        metavar="FILE",
        at_next_start=True,
    )
    replay = Option(
        PATH, None, "Answer from a recording in place of OpenD.", metavar="FILE", at_next_start=True
    )
    replay_speed = Option(
        number(0), 1.0, "Speed factor of recorded pushes; default 1, 0 for at once.", at_next_start=True
    )
    replay_strict = Option(SWITCH, False, "Accept requests only in the recorded order.", at_next_start=True)
    http_port = Option(PORT, None, "Port of the pages and the HTTP API; default 8080.", at_next_start=True)
    http_host = Option(ADDRESS, "127.0.0.1", "Its address; default 127.0.0.1.", at_next_start=True)
    http_token = Option(
        SECRET_TEXT, None, "Token that callers must send, required beyond loopback.", secret=True
    )
    webhook_url = Option(
        ANY_TEXT,
        None,
        "Where news of trades and rating changes is sent after a load; default nowhere.",
        metavar="URL",
    )
    webhook_secret = Option(
        SECRET_TEXT, None, "Secret that signs the news, 16 characters or more.", secret=True
    )
    webhook_follow: Option[tuple[str, ...]] = Option(
        several("codes, funds and institutions, comma separated", str),
        (),
        "Codes, funds and institutions to send news of, comma separated; default all.",
    )
    no_http = Option(SWITCH, False, "Serve no pages and no HTTP API.", at_next_start=True)
    handover = Option(
        PATH,
        None,
        "Where to take over from a running gateway, and to hand over to the next one; "
        "default none. Linux only.",
        metavar="SOCKET",
        at_next_start=True,
    )
    drain_seconds = Option(number(0, 3600), 5.0, "Seconds for pending answers when it stops; default 5.")
    log_level: Option[LogLevel] = Option(
        word("debug", "info", "warning", "error"),
        "info",
        "Lowest level to log; default info. debug has a line for each request.",
    )
    log_format = Option(
        LOG_FORMAT, None, "Lines of text or of JSON; default text on a terminal and JSON elsewhere."
    )
    slow_seconds = Option(
        number(0, 3600), 1.0, "Seconds after which a request is logged as slow; default 1, 0 for never."
    )
    lang: Option[Language] = Option(LANGUAGE, "zh", "Language of names, and of a command's output.")
    db = Option(
        DATABASE,
        ...,
        "Database, FILE.db, sqlite:///FILE or postgresql://USER@HOST/DATABASE (QOTGATE_DB).",
        metavar="URL",
        at_next_start=True,
        secret=True,
        default_factory=_default_database,
    )
    tables = Option(
        PATH,
        None,
        "Folder of your own grades.csv, institutions.csv, listings.csv, securities.csv, former_names.csv.",
        metavar="FOLDER",
    )
    fmp_key = Option(
        SECRET_TEXT,
        None,
        "Key of Financial Modeling Prep, for `qotgate fetch ratings`.",
        secret=True,
        flag=False,
    )
    benzinga_key = Option(
        SECRET_TEXT, None, "Key of Benzinga, for `qotgate fetch ratings`.", secret=True, flag=False
    )

    def keeping(self, names: Iterable[str], before: "Settings") -> "Settings":
        """These settings with the options ``names`` as they were ``before``."""
        kept = set(names)
        values = {name: getattr(self, name) for name in self.given - kept}
        return Settings(values | {name: getattr(before, name) for name in before.given & kept})

    @property
    def named_funds(self) -> tuple[str, ...] | None:
        """The funds that the options name; None for each question's default."""
        return self.funds if "funds" in self.given else None


OPTIONS: dict[str, Option[Any]] = {
    name: option for name, option in vars(Settings).items() if isinstance(option, Option)
}
"""The options by name."""
SECRET = tuple(name for name, option in OPTIONS.items() if option.secret)
"""Options whose values are never shown."""
NEXT_START = tuple(name for name, option in OPTIONS.items() if option.at_next_start)
"""Options that apply only when the gateway starts."""


def misspelt_variables(variables: Iterable[str]) -> list[tuple[str, str | None]]:
    """The ``variables`` that start like options but are none, each with the most similar option."""
    known = {*map(str.upper, OPTIONS), "SECRETS"}
    found: list[tuple[str, str | None]] = []
    for variable in sorted(variables):
        prefix, _, name = variable.upper().partition("_")
        if prefix == "QOTGATE" and name not in known and not name.startswith(OF_TESTS):
            near = get_close_matches(name, known, n=1)
            found.append((variable, f"QOTGATE_{near[0]}" if near else None))
    return found


def read_settings(**flags: Any) -> Settings:
    """The options; ``flags`` that are not None have precedence. Raises QotGateError."""
    given = {name: value for name, value in flags.items() if value is not None}
    given = {**_of_file(), **_of_secrets(), **_of_variables(), **given}
    return Settings({name: OPTIONS[name].read(value) for name, value in given.items()})


def _of_variables() -> dict[str, str]:
    return _named(os.environ)


def _of_secrets() -> dict[str, str]:
    folder = secrets_folder()
    if folder is None:
        return {}
    try:
        files = _named({path.name: path for path in folder.iterdir() if path.is_file()})
        return {name: path.read_text(encoding="utf-8").strip() for name, path in files.items()}
    except OSError as error:
        raise QotGateError(f"{error.filename or folder} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        # Without its cause, which contains the secret.
        raise QotGateError(f"{folder} has a secret that is not UTF-8.") from None


def _named(found: Mapping[str, T]) -> dict[str, T]:
    """Those of ``found`` that are named like the variable of an option, in any case, by option."""
    lower = {name.lower(): value for name, value in found.items()}
    return {name: lower[f"qotgate_{name}"] for name in OPTIONS if f"qotgate_{name}" in lower}


def _of_file() -> dict[str, Any]:
    try:
        if not CONFIG_FILE.exists():
            return {}
        if not CONFIG_FILE.is_file():
            raise QotGateError(f"{CONFIG_FILE} is not a file.")
        # Imported late: many have no file.
        import tomllib

        found = tomllib.loads(CONFIG_FILE.read_text(encoding="utf-8"))
    except OSError as error:
        raise QotGateError(f"{CONFIG_FILE} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise QotGateError(f"{CONFIG_FILE} is not valid TOML: {error}.") from error
    for name in found:
        if name not in OPTIONS:
            near = get_close_matches(name, OPTIONS, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise QotGateError(f"{CONFIG_FILE} has an unknown option {name}{hint}")
    return found
