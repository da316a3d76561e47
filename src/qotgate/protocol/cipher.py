"""The ciphers of the wire, sans I/O.

RSA (PKCS#1 v1.5, in chunks, one private key on both ends) encrypts InitConnect; AES-128 with the key from the
InitConnect answer encrypts the packets after it. A body that cannot be decrypted raises ValueError without
details: the SHA-1 in the header tells a wrong key from a right one, and the peer learns no more than that.

These are the interface's own ciphers, kept for compatibility with its clients. ECB, unauthenticated CBC and
PKCS#1 v1.5 do not make a hostile network safe; docs/clients.md says what to use there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from qotgate.model import QotGateError
from qotgate.protocol.names import RSA_BITS as RSA_BITS
from qotgate.protocol.names import PacketEncAlgo as PacketEncAlgo

RSA_CHUNKS = {1024: 100, 2048: 200}
"""Plain bytes in one RSA block, by the bits of the key, as the published clients split them."""
BLOCK = 16


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

    @property
    def block_size(self) -> int:
        """Bytes of an encrypted block."""
        return self._key.key_size // 8

    @property
    def bits(self) -> int:
        return self._key.key_size

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
        size = self.block_size
        if len(body) % size:
            raise ValueError(f"an RSA body is a multiple of {size} bytes, not {len(body)}")
        blocks = (body[start : start + size] for start in range(0, len(body), size))
        return b"".join(self._key.decrypt(block, padding.PKCS1v15()) for block in blocks)


class AesCipher:
    """Encrypts and decrypts the packets of one connection, for one thread. ``key`` and ``iv`` have 16 bytes.
    AES_CBC alone uses the IV, and starts from it for each packet.

    A packet has a few blocks, and to create a cipher costs ten times as much as to process them, so one
    cipher for each direction is reused. ECB has no state. CBC combines the next block with its previous
    encrypted block; :attr:`_sent` and :attr:`_received` hold that block combined with the IV, which replaces
    the previous block by the IV.
    """

    def __init__(self, algorithm: PacketEncAlgo, key: bytes, iv: bytes) -> None:
        self._chained = algorithm is PacketEncAlgo.AES_CBC
        # The protocol prescribes ECB.
        mode: modes.CBC | modes.ECB = modes.CBC(iv) if self._chained else modes.ECB()  # noqa: S305  # nosec B305
        cipher = Cipher(algorithms.AES(key), mode)
        self._encryptor, self._decryptor = cipher.encryptor(), cipher.decryptor()
        self._iv = int.from_bytes(iv, "big")
        self._sent = self._received = 0
        self._pad, self._unpad = _PADDINGS[algorithm]
        self._has_tail = algorithm is PacketEncAlgo.FTAES_ECB

    def encrypt(self, body: bytes) -> bytes:
        padded = self._pad(body)
        if not self._chained:
            encrypted = self._encryptor.update(padded)
            return encrypted + _tail(body) if self._has_tail else encrypted
        encrypted = self._encryptor.update(_add(padded, self._sent))
        self._sent = self._iv ^ int.from_bytes(encrypted[-BLOCK:], "big")
        return encrypted

    def decrypt(self, body: bytes) -> bytes:
        """Raises ValueError."""
        if len(body) % BLOCK or len(body) < BLOCK:
            raise ValueError(f"an AES body is a multiple of {BLOCK} bytes, not {len(body)}")
        if not self._chained:
            tail = b""
            if self._has_tail:
                body, tail = body[:-BLOCK], body[-BLOCK:]
            return self._unpad(self._decryptor.update(body) + tail)
        padded = _add(self._decryptor.update(body), self._received)
        self._received = self._iv ^ int.from_bytes(body[-BLOCK:], "big")
        return self._unpad(padded)


def _add(blocks: bytes, number: int) -> bytes:
    """``blocks`` with ``number`` combined (exclusive or) into the first block."""
    first = int.from_bytes(blocks[:BLOCK], "big") ^ number
    return first.to_bytes(BLOCK, "big") + blocks[BLOCK:]


def _tail(body: bytes) -> bytes:
    """The unencrypted block at the end of an FTAES_ECB body: zeros, then the plain length modulo 16."""
    return bytes(BLOCK - 1) + bytes([len(body) % BLOCK])


def _pad_zeros(body: bytes) -> bytes:
    return body + bytes(-len(body) % BLOCK)


def _unpad_zeros(padded: bytes) -> bytes:
    plain, used = padded[:-BLOCK], padded[-1]
    if used >= BLOCK or any(padded[-BLOCK:-1]):
        raise ValueError("the last block of an FTAES_ECB body is zeros and a number below 16")
    return plain[: len(plain) - BLOCK + used] if used else plain


def _pad_pkcs7(body: bytes) -> bytes:
    return body + _ENDS[BLOCK - len(body) % BLOCK]


def _unpad_pkcs7(padded: bytes) -> bytes:
    added = padded[-1]
    if not 1 <= added <= BLOCK or not padded.endswith(_ENDS[added]):
        raise ValueError("a PKCS#7 padding is 1 to 16 bytes that say how many they are")
    return padded[:-added]


_ENDS = [bytes([size]) * size for size in range(BLOCK + 1)]
"""PKCS#7 paddings by length."""
_Change = Callable[[bytes], bytes]
_PADDINGS: dict[PacketEncAlgo, tuple[_Change, _Change]] = {
    PacketEncAlgo.FTAES_ECB: (_pad_zeros, _unpad_zeros),
    PacketEncAlgo.AES_ECB: (_pad_pkcs7, _unpad_pkcs7),
    PacketEncAlgo.AES_CBC: (_pad_pkcs7, _unpad_pkcs7),
}
