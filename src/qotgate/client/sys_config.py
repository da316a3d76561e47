"""``SysConfig``: the settings that scripts written against the published clients share in a process.

A context reads them when it is created. The typed clients take options of their own instead.
"""

from pathlib import Path

from qotgate.client.core import CLIENT_ID, CLIENT_VERSION, ClientOptions, wanted_language
from qotgate.model import Language, QotGateError
from qotgate.protocol.frame import JSON, PROTOBUF


class ProtoFMT:
    """The formats of bodies."""

    Protobuf = PROTOBUF
    Json = JSON


class SysConfig:
    """The settings of all contexts created from now on."""

    _encrypt = False
    _rsa_file = ""
    _body_format = ProtoFMT.Protobuf
    _client_id = CLIENT_ID
    _client_version = CLIENT_VERSION
    _daemon = True

    @classmethod
    def enable_proto_encrypt(cls, is_encrypt: bool) -> None:
        """Encrypt connections, with the key of :meth:`set_init_rsa_file`."""
        cls._encrypt = bool(is_encrypt)

    @classmethod
    def set_init_rsa_file(cls, file: str | Path) -> None:
        """Set the file of the RSA key, which the gateway has too. Without ``enable_proto_encrypt(True)``, it
        encrypts InitConnect alone, as in the published clients."""
        cls._rsa_file = str(file)

    @classmethod
    def set_proto_fmt(cls, proto_fmt: int) -> None:
        """Set the format of bodies, ``ProtoFMT.Protobuf`` or ``ProtoFMT.Json``. Raises QotGateError."""
        if proto_fmt not in (ProtoFMT.Protobuf, ProtoFMT.Json):
            raise QotGateError(f"set_proto_fmt takes ProtoFMT.Protobuf or ProtoFMT.Json, not {proto_fmt!r}.")
        cls._body_format = int(proto_fmt)

    @classmethod
    def set_client_info(cls, client_id: str, client_ver: int) -> None:
        """Set the client id and version in InitConnect."""
        cls._client_id, cls._client_version = str(client_id), int(client_ver)

    @classmethod
    def set_all_thread_daemon(cls, all_daemon: bool) -> None:
        """Set whether the process may end while a context is open. It may by default; the published clients'
        default is the opposite."""
        cls._daemon = bool(all_daemon)

    @classmethod
    def get_all_thread_daemon(cls) -> bool:
        return cls._daemon

    @classmethod
    def is_proto_encrypt(cls) -> bool:
        return cls._encrypt

    @classmethod
    def options(
        cls, host: str, port: int, is_encrypt: bool | None, lang: Language | None = None
    ) -> ClientOptions:
        """The settings as a client's options. Raises QotGateError for encryption without a key file."""
        encrypt = cls._encrypt if is_encrypt is None else bool(is_encrypt)
        if encrypt and not cls._rsa_file:
            raise QotGateError(
                "The connection is to be encrypted, and no RSA key is set: call SysConfig.set_init_rsa_file."
            )
        return ClientOptions(
            host,
            port,
            rsa_key=Path(cls._rsa_file) if cls._rsa_file else None,
            encrypt=encrypt,
            body_format=cls._body_format,
            client_id=cls._client_id,
            client_version=cls._client_version,
            lang=wanted_language(lang),
        )
