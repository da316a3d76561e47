"""The ciphers of the wire, sans I/O.

RSA (PKCS#1 v1.5, in chunks, one private key on both ends) covers InitConnect; AES-128 under the key of the
InitConnect answer covers the packets after it. A body that cannot be decrypted raises ValueError, whatever
the reason: the SHA-1 in the header tells a wrong key from a right one, and the peer learns no more than that.

These are the interface's own ciphers, kept for its clients' sake. ECB, unauthenticated CBC and PKCS#1 v1.5 do
not make a hostile network safe; docs/clients.md says what to use there.
"""

from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from qotgate.model import QotGateError

RSA_BITS = (1024, 2048)
RSA_CHUNKS = {1024: 100, 2048: 200}
"""Plain bytes of one RSA block, by the bits of the key, as the published clients cut them."""
BLOCK = 16


class PacketEncAlgo(IntEnum):
    """The ciphers that InitConnect can ask for (Common.proto)."""

    FTAES_ECB = 0
    NONE = -1
    AES_ECB = 1
    AES_CBC = 2


class RsaKey:
    """The RSA private key that gateway and clients share."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        self._public = key.public_key()

    @classmethod
    def generate(cls, bits: int) -> Self:
        """A new key of 1024 or 2048 bits."""
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=bits))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a PEM file. Raises QotGateError."""
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise QotGateError(f"The RSA key {path} cannot be read: {error.strerror}.") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise QotGateError(f"{path} is no RSA private key in PEM without a password.") from error
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size not in RSA_BITS:
            raise QotGateError(f"{path} is no RSA private key of {' or '.join(map(str, RSA_BITS))} bits.")
        return cls(key)

    def pem(self) -> bytes:
        """The key as PKCS#1 PEM, which the published clients read."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )

    def encrypt(self, body: bytes) -> bytes:
        size = RSA_CHUNKS[self._key.key_size]
        chunks = (body[start : start + size] for start in range(0, len(body), size))
        return b"".join(self._public.encrypt(chunk, padding.PKCS1v15()) for chunk in chunks)

    def decrypt(self, body: bytes) -> bytes:
        """Raises ValueError."""
        size = self._key.key_size // 8
        if len(body) % size:
            raise ValueError(f"an RSA body is a multiple of {size} bytes, not {len(body)}")
        blocks = (body[start : start + size] for start in range(0, len(body), size))
        return b"".join(self._key.decrypt(block, padding.PKCS1v15()) for block in blocks)


class AesCipher:
    """Encrypts and decrypts the packets of one connection. ``key`` and ``iv`` have 16 bytes; AES_CBC alone
    uses the IV, afresh for each packet."""

    def __init__(self, algorithm: PacketEncAlgo, key: bytes, iv: bytes) -> None:
        mode: modes.CBC | modes.ECB = modes.CBC(iv) if algorithm is PacketEncAlgo.AES_CBC else modes.ECB()  # noqa: S305
        self._cipher = Cipher(algorithms.AES(key), mode)
        self._pad, self._unpad = _PADDINGS[algorithm]
        self._has_tail = algorithm is PacketEncAlgo.FTAES_ECB

    def encrypt(self, body: bytes) -> bytes:
        encryptor = self._cipher.encryptor()
        encrypted = encryptor.update(self._pad(body)) + encryptor.finalize()
        return encrypted + _tail(body) if self._has_tail else encrypted

    def decrypt(self, body: bytes) -> bytes:
        """Raises ValueError."""
        if len(body) % BLOCK or len(body) < BLOCK:
            raise ValueError(f"an AES body is a multiple of {BLOCK} bytes, not {len(body)}")
        tail = b""
        if self._has_tail:
            body, tail = body[:-BLOCK], body[-BLOCK:]
        decryptor = self._cipher.decryptor()
        return self._unpad(decryptor.update(body) + decryptor.finalize() + tail)


def _tail(body: bytes) -> bytes:
    """The block that ends an FTAES_ECB body, not encrypted: zeros, then the plain length modulo 16."""
    return bytes(BLOCK - 1) + bytes([len(body) % BLOCK])


def _pad_zeros(body: bytes) -> bytes:
    return body + bytes(-len(body) % BLOCK)


def _unpad_zeros(padded: bytes) -> bytes:
    plain, used = padded[:-BLOCK], padded[-1]
    if used >= BLOCK or any(padded[-BLOCK:-1]):
        raise ValueError("the last block of an FTAES_ECB body is zeros and a number below 16")
    return plain[: len(plain) - BLOCK + used] if used else plain


def _pad_pkcs7(body: bytes) -> bytes:
    padder = PKCS7(BLOCK * 8).padder()
    return padder.update(body) + padder.finalize()


def _unpad_pkcs7(padded: bytes) -> bytes:
    unpadder = PKCS7(BLOCK * 8).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


_Change = Callable[[bytes], bytes]
_PADDINGS: dict[PacketEncAlgo, tuple[_Change, _Change]] = {
    PacketEncAlgo.FTAES_ECB: (_pad_zeros, _unpad_zeros),
    PacketEncAlgo.AES_ECB: (_pad_pkcs7, _unpad_pkcs7),
    PacketEncAlgo.AES_CBC: (_pad_pkcs7, _unpad_pkcs7),
}
