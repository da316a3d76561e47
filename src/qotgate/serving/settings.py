"""Options. Sources in order of precedence: flags, QOTGATE_* variables, a folder of secrets, a TOML file,
defaults.

Docker, Kubernetes and systemd put secrets into a folder, to keep them out of variables and configuration
files. Each file is named like the variable, in any case, and contains its value.
"""

import os
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

import platformdirs
from pydantic import Field, JsonValue, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from sqlalchemy import URL

from qotgate.model import ACTIVE_FUNDS, Language, QotGateError
from qotgate.model.sentences import language_of
from qotgate.protocol.interface import OWN_QUESTIONS

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


OF_TESTS = "TEST_"
"""The prefix of the tests' variables, after QOTGATE_."""


def secrets_folder() -> Path | None:
    """The folder with one option in each file; None if there is none."""
    named = next(filter(None, map(os.environ.get, SECRETS_FOLDERS)), None)
    return Path(named) if named and Path(named).is_dir() else None


def _default_database() -> str:
    path = user_folder(platformdirs.user_data_path) / "qotgate.db"
    return URL.create("sqlite", database=str(path)).render_as_string()


def _parts(value: Any) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise ValueError("takes text with commas between its parts, or a list of texts")
    return [part.strip() for part in parts]


def _split(value: Any) -> Any:
    return tuple(dict.fromkeys(part.upper() for part in _parts(value) if part))


def _names(value: Any) -> Any:
    return tuple(dict.fromkeys(part for part in _parts(value) if part))


def _origins(value: Any) -> Any:
    parts = _parts(value)
    for part in parts:
        if part not in ("*", "null") and not re.fullmatch(r"https?://[^/?#\s]+", part):
            raise ValueError("takes origins such as https://example.com, comma separated, or null, or *")
    return tuple(parts)


def _own_questions(value: Any) -> Any:
    parts = [part for part in _parts(value) if part]
    if any(part not in UPSTREAM_FOR for part in parts):
        raise ValueError(f"takes proto ids of {', '.join(UPSTREAM_FOR)}, comma separated")
    return tuple(dict.fromkeys(map(int, parts)))


def option(
    default: Any,
    help_text: str,
    *,
    metavar: str = "",
    flag: bool = True,
    secret: bool = False,
    at_next_start: bool = False,
    **checks: Any,
) -> Any:
    """An option. ``help_text`` and ``metavar`` describe its flag of ``serve``; ``flag=False`` means no flag.
    A ``secret`` is never shown. A reload does not apply an option ``at_next_start``. ``checks`` are
    pydantic's, with ``default_factory`` where ``default`` is ``...``."""
    said: dict[str, JsonValue] = {
        "metavar": metavar,
        "flag": flag,
        "secret": secret,
        "at_next_start": at_next_start,
    }
    if default is not ...:
        checks["default"] = default
    return Field(description=help_text, json_schema_extra=said, **checks)


class Settings(BaseSettings):
    """The table of every option that the gateway, or more than one command, takes."""

    model_config = SettingsConfigDict(env_prefix="QOTGATE_", extra="forbid", frozen=True)

    host: str = option(
        "127.0.0.1", "Address to listen on; default 127.0.0.1.", at_next_start=True, min_length=1
    )
    port: int = option(11111, "Port; default 11111, 0 for a free one.", at_next_start=True, ge=0, le=65535)
    rate_limit: str = option(
        "60/30s", "First-page requests allowed per interface; default 60/30s.", metavar="N/SECONDSs|off"
    )
    rate_limit_scope: Literal["gateway", "connection"] = option(
        "gateway", "Scope of the limit; default the whole gateway.", at_next_start=True
    )
    limit_store: SecretStr | None = option(
        None,
        "Redis or Valkey where gateways share one allowance, redis://HOST:PORT/NUMBER; "
        "with a password, better use QOTGATE_LIMIT_STORE.",
        metavar="URL",
        at_next_start=True,
        secret=True,
    )
    limit_store_down: Literal["local", "refuse"] = option(
        "local",
        "While it is away: the gateway's own allowance (default), or refuse requests that count.",
        at_next_start=True,
    )
    max_connections: int = option(128, "Connections at once; default 128.", ge=1)
    max_connections_per_address: int | None = option(
        None, "Connections at once from one address; default no limit.", at_next_start=True, ge=1
    )
    workers: int = option(
        1,
        "Processes that serve the same ports within the same limits; default 1.",
        at_next_start=True,
        ge=1,
        le=256,
    )
    request_limit: int = option(1 << 20, "Bytes of the longest request; default 1048576.", ge=1024)
    keep_alive_interval: int = option(
        10,
        "Seconds between keep-alives; a connection silent for three intervals is dropped. Default 10.",
        ge=1,
        le=3600,
    )
    funds: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)] = option(
        ACTIVE_FUNDS,
        "ARK funds, comma separated, or one. Default: for trades the active ones (ARKF, ARKG, "
        "ARKK, ARKQ, ARKW, ARKX), for holdings IZRL and PRNT too.",
    )
    window_days: int = option(30, "Calendar days in the window of a dynamic; default 30.", ge=1, le=3660)
    data_cache_bytes: int = option(
        64 << 20,
        "Bytes of memory for cached data, beyond which the database answers; default 67108864, 0 for none.",
        ge=0,
    )
    rsa_key: Path | None = option(None, "RSA key (PKCS#1 PEM) that clients encrypt with.", metavar="FILE")
    allow_plaintext: bool = option(False, "With a key, accept clients without it too.")
    websocket_port: int | None = option(
        None,
        "Port for JavaScript clients, 33333 in their examples; default off.",
        at_next_start=True,
        ge=0,
        le=65535,
    )
    websocket_host: str = option(
        "127.0.0.1", "Its address; default 127.0.0.1.", at_next_start=True, min_length=1
    )
    websocket_key: SecretStr | None = option(None, "Key that its clients must send.", secret=True)
    websocket_key_md5: str | None = option(
        None, "That key's MD5 in hexadecimal, instead of the key.", secret=True, pattern="^[0-9A-Fa-f]{32}$"
    )
    websocket_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = option(
        (), "Web sites whose pages may connect; default this machine's own.", metavar="ORIGIN,...|*"
    )
    websocket_cert: Path | None = option(None, "Certificate (PEM) for wss.", metavar="FILE")
    websocket_private_key: Path | None = option(None, "The certificate's private key (PEM).", metavar="FILE")
    upstream: str | None = option(
        None,
        "OpenD that answers everything except the gateway's own questions; default none.",
        metavar="HOST:PORT",
        at_next_start=True,
        min_length=1,
    )
    upstream_rsa_key: Path | None = option(
        None, "OpenD's RSA key (PKCS#1 PEM).", metavar="FILE", at_next_start=True
    )
    upstream_encryption: Literal["aes_cbc", "aes_ecb", "ftaes_ecb"] = option(
        "aes_cbc", "The cipher towards OpenD with that key; default aes_cbc.", at_next_start=True
    )
    upstream_for: Annotated[tuple[int, ...], NoDecode, BeforeValidator(_own_questions)] = option(
        (),
        "The gateway's own questions that OpenD answers instead: of 3229, 3230, 3423 to 3426.",
        metavar="3426,...",
        at_next_start=True,
    )
    upstream_trade: bool = option(
        False,
        "Forward trading requests; from other machines only over encrypted connections.",
        at_next_start=True,
    )
    upstream_cache: Path | None = option(
        None,
        "Cache of OpenD's answers that do not change; default none.",
        metavar="FOLDER",
        at_next_start=True,
    )
    record: Path | None = option(
        None,
        "With --upstream, record OpenD's answers there, without personal data.",
        metavar="FILE",
        at_next_start=True,
    )
    replay: Path | None = option(
        None, "Answer from a recording in place of OpenD.", metavar="FILE", at_next_start=True
    )
    replay_speed: float = option(
        1.0,
        "Speed factor of recorded pushes; default 1, 0 for at once.",
        at_next_start=True,
        ge=0,
        allow_inf_nan=False,
    )
    replay_strict: bool = option(False, "Accept requests only in the recorded order.", at_next_start=True)
    http_port: int | None = option(
        None, "Port of the pages and the HTTP API; default 8080.", at_next_start=True, ge=0, le=65535
    )
    http_host: str = option("127.0.0.1", "Its address; default 127.0.0.1.", at_next_start=True, min_length=1)
    http_token: SecretStr | None = option(
        None, "Token that callers must send, required beyond loopback.", secret=True
    )
    webhook_url: str | None = option(
        None,
        "Where news of trades and rating changes is sent after a load; default nowhere.",
        metavar="URL",
    )
    webhook_secret: SecretStr | None = option(
        None, "Secret that signs the news, 16 characters or more.", secret=True
    )
    webhook_follow: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = option(
        (), "Codes, funds and institutions to send news of, comma separated; default all."
    )
    no_http: bool = option(False, "Serve no pages and no HTTP API.", at_next_start=True)
    handover: Path | None = option(
        None,
        "Where to take over from a running gateway, and to hand over to the next one; "
        "default none. Linux only.",
        metavar="SOCKET",
        at_next_start=True,
    )
    drain_seconds: float = option(5.0, "Seconds for pending answers when it stops; default 5.", ge=0, le=3600)
    log_level: LogLevel = option(
        "info", "Lowest level to log; default info. debug has a line for each request."
    )
    log_format: LogFormat | None = option(
        None, "Lines of text or of JSON; default text on a terminal and JSON elsewhere."
    )
    slow_seconds: float = option(
        1.0, "Seconds after which a request is logged as slow; default 1, 0 for never.", ge=0, le=3600
    )
    lang: Language = option("zh", "Language of names, and of a command's output.")
    db: str = option(
        ...,
        "Database, FILE.db, sqlite:///FILE or postgresql://USER@HOST/DATABASE (QOTGATE_DB).",
        metavar="URL",
        at_next_start=True,
        secret=True,
        default_factory=_default_database,
    )
    tables: Path | None = option(
        None,
        "Folder of your own grades.csv, institutions.csv, listings.csv, securities.csv, former_names.csv.",
        metavar="FOLDER",
    )
    fmp_key: SecretStr | None = option(
        None, "Key of Financial Modeling Prep, for `qotgate fetch ratings`.", secret=True, flag=False
    )
    benzinga_key: SecretStr | None = option(
        None, "Key of Benzinga, for `qotgate fetch ratings`.", secret=True, flag=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _in_any_case(cls, value: Any, about_it: ValidationInfo) -> Any:
        """Accept the words of a choice in any case."""
        hint = cls.model_fields[str(about_it.field_name)].annotation
        words = {word for part in (hint, *get_args(hint)) for word in get_args(part)}
        return value.lower() if isinstance(value, str) and value.lower() in words else value

    @field_validator("lang", mode="before")
    @classmethod
    def _by_tag(cls, value: Any) -> Any:
        """A tag such as zh-CN names a language."""
        return language_of(value) or value if isinstance(value, str) else value

    @field_validator("db", mode="before")
    @classmethod
    def _by_path(cls, value: Any) -> Any:
        """A path that ends as SQLite files do names a database."""
        is_path = (
            isinstance(value, str) and "://" not in value and value.endswith((".db", ".sqlite", ".sqlite3"))
        )
        return f"sqlite:///{value}" if is_path else value

    @property
    def named_funds(self) -> tuple[str, ...] | None:
        """The funds that the options name; None for each question's default."""
        return self.funds if "funds" in self.model_fields_set else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the folder is ours
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = [init_settings, env_settings]
        if folder := secrets_folder():
            sources.append(SecretsSettingsSource(settings_cls, folder))
        return (*sources, TomlConfigSettingsSource(settings_cls, CONFIG_FILE))


def misspelt_variables(variables: Iterable[str]) -> list[tuple[str, str | None]]:
    """The ``variables`` that start like options but are none, each with the most similar option."""
    known = {*map(str.upper, Settings.model_fields), "SECRETS"}
    found: list[tuple[str, str | None]] = []
    for variable in sorted(variables):
        prefix, _, name = variable.upper().partition("_")
        if prefix == "QOTGATE" and name not in known and not name.startswith(OF_TESTS):
            near = get_close_matches(name, known, n=1)
            found.append((variable, f"QOTGATE_{near[0]}" if near else None))
    return found


def about(name: str) -> dict[str, Any]:
    """The arguments of :func:`option` for an option."""
    return cast(dict[str, Any], Settings.model_fields[name].json_schema_extra)


SECRET = tuple(name for name in Settings.model_fields if about(name)["secret"])
"""Options whose values are never shown."""
NEXT_START = tuple(name for name in Settings.model_fields if about(name)["at_next_start"])
"""Options that apply only when the gateway starts."""


def read_settings(**flags: Any) -> Settings:
    """The options; ``flags`` that are not None have precedence. Raises QotGateError."""
    if CONFIG_FILE.exists() and not CONFIG_FILE.is_file():
        raise QotGateError(f"{CONFIG_FILE} is not a file.")
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = str(first["loc"][0]) if first["loc"] else ""
        name = "--" + option.replace("_", "-")
        if first["type"] == "extra_forbidden":
            near = get_close_matches(option, Settings.model_fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise QotGateError(f"{CONFIG_FILE} has an unknown option {option}{hint}") from None
        # A misspelt option may hold a secret too.
        known = option in Settings.model_fields and option not in SECRET
        told = f", not {first['input']!r}" if known else ""
        # Without its cause, whose text contains the value.
        raise QotGateError(f"{name}: {first['msg'].removeprefix('Value error, ')}{told}.") from None
    except ValueError as error:
        raise QotGateError(f"{CONFIG_FILE} is not valid TOML: {error}.") from error
    except OSError as error:
        raise QotGateError(f"{error.filename or CONFIG_FILE} cannot be read: {error.strerror}.") from error
