"""Options: from flags, else from QOTGATE_* variables, else from a folder of secrets, else from a TOML file,
else their defaults.

The folder is where Docker, Kubernetes and systemd put what must stand neither in a variable nor in a
configuration file: each file is named like the variable, in any case, and holds its value.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationError
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

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
OWN_QUESTIONS = ("3423", "3424", "3425", "3426")
"""The proto ids of the questions that the gateway answers from the user's data."""
SECRET = (
    *("db", "limit_store", "http_token", "websocket_key", "websocket_key_md5"),
    *("fmp_key", "benzinga_key"),
)
"""Options whose values are shown nowhere."""


def user_folder(find: Callable[[str], Path]) -> Path:
    """The folder of this account's configuration or data, as ``find`` of platformdirs has it. Raises
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
        # There is none, and flags and variables still say it all.
        return Path(os.devnull, "qotgate.toml")


CONFIG_FILE = _config_file()
SECRETS_FOLDERS = ("QOTGATE_SECRETS", "CREDENTIALS_DIRECTORY")
"""Variables that name the folder of secrets, the first of them that is set; the second is systemd's."""


def secrets_folder() -> Path | None:
    """Where options may stand one in a file; None where there is no such folder."""
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


def _origins(value: Any) -> Any:
    parts = _parts(value)
    for part in parts:
        if part not in ("*", "null") and not re.fullmatch(r"https?://[^/?#\s]+", part):
            raise ValueError("takes origins such as https://example.com, comma separated, or null, or *")
    return tuple(parts)


def _own_questions(value: Any) -> Any:
    parts = [part for part in _parts(value) if part]
    if any(part not in OWN_QUESTIONS for part in parts):
        raise ValueError(f"takes proto ids of {', '.join(OWN_QUESTIONS)}, comma separated")
    return tuple(dict.fromkeys(map(int, parts)))


class Settings(BaseSettings):
    """Every option that more than one command, or the gateway, takes."""

    model_config = SettingsConfigDict(env_prefix="QOTGATE_", extra="forbid", frozen=True)

    db: str = Field(default_factory=_default_database)
    tables: Path | None = None
    lang: Language = "zh"
    funds: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)] = ACTIVE_FUNDS
    window_days: int = Field(30, ge=1, le=3660)
    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(11111, ge=0, le=65535)
    max_connections: int = Field(128, ge=1)
    max_connections_per_address: int | None = Field(None, ge=1)
    workers: int = Field(1, ge=1, le=256)
    keep_alive_interval: int = Field(10, ge=1, le=3600)
    request_limit: int = Field(1 << 20, ge=1024)
    rate_limit: str = "60/30s"
    rate_limit_scope: Literal["gateway", "connection"] = "gateway"
    limit_store: SecretStr | None = None
    limit_store_down: Literal["local", "refuse"] = "local"
    rsa_key: Path | None = None
    allow_plaintext: bool = False
    websocket_host: str = Field("127.0.0.1", min_length=1)
    websocket_port: int | None = Field(None, ge=0, le=65535)
    websocket_key: SecretStr | None = None
    websocket_key_md5: str | None = Field(None, pattern="^[0-9A-Fa-f]{32}$")
    websocket_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = ()
    websocket_cert: Path | None = None
    websocket_private_key: Path | None = None
    upstream: str | None = Field(None, min_length=1)
    upstream_rsa_key: Path | None = None
    upstream_encryption: Literal["aes_cbc", "aes_ecb", "ftaes_ecb"] = "aes_cbc"
    upstream_for: Annotated[tuple[int, ...], NoDecode, BeforeValidator(_own_questions)] = ()
    upstream_trade: bool = False
    upstream_cache: Path | None = None
    record: Path | None = None
    replay: Path | None = None
    replay_speed: float = Field(1.0, ge=0, allow_inf_nan=False)
    replay_strict: bool = False
    no_http: bool = False
    http_host: str = Field("127.0.0.1", min_length=1)
    http_port: int | None = Field(None, ge=0, le=65535)
    http_token: SecretStr | None = None
    log_level: LogLevel = "info"
    log_format: LogFormat | None = None
    slow_seconds: float = Field(1.0, ge=0, le=3600)
    handover: Path | None = None
    drain_seconds: float = Field(5.0, ge=0, le=3600)
    fmp_key: SecretStr | None = None
    benzinga_key: SecretStr | None = None

    @property
    def named_funds(self) -> tuple[str, ...] | None:
        """The funds that are named; None where it is for the questions to say which they sum."""
        return self.funds if "funds" in self.model_fields_set else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = [init_settings, env_settings]
        if folder := secrets_folder():
            sources.append(SecretsSettingsSource(settings_cls, folder))
        return (*sources, TomlConfigSettingsSource(settings_cls, CONFIG_FILE))


def read_settings(**flags: Any) -> Settings:
    """The options, ``flags`` first where they are not None. Raises QotGateError."""
    if CONFIG_FILE.exists() and not CONFIG_FILE.is_file():
        raise QotGateError(f"{CONFIG_FILE} is not a file.")
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = str(first["loc"][0]) if first["loc"] else ""
        name = "--" + option.replace("_", "-")
        if first["type"] == "extra_forbidden":
            raise QotGateError(f"{CONFIG_FILE} has an option {option}, which there is none of.") from None
        # A misspelt option may hold a secret as well as one that is.
        known = option in Settings.model_fields and option not in SECRET
        told = f", not {first['input']!r}" if known else ""
        # Its cause would tell the value where a traceback is shown.
        raise QotGateError(f"{name}: {first['msg'].removeprefix('Value error, ')}{told}.") from None
    except ValueError as error:
        raise QotGateError(f"{CONFIG_FILE} is not valid TOML: {error}.") from error
    except OSError as error:
        raise QotGateError(f"{error.filename or CONFIG_FILE} cannot be read: {error.strerror}.") from error
