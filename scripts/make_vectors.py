"""Makes tests/protocol/vectors: recorded exchanges under each cipher, encrypted by pycryptodome.

The project's own ciphers come from the cryptography package; the vectors compare the two. Keys, texts and
packets are written here by hand, with no code of the project. RSA padding is random: a vector is made once
and stored, so run this only to add one.
"""

import hashlib
import json
import struct
from pathlib import Path

from Crypto.Cipher import AES, PKCS1_v1_5
from Crypto.PublicKey import RSA
from Crypto.Util.Padding import pad

TARGET = Path(__file__).parents[1] / "tests" / "protocol" / "vectors"
AES_KEY, AES_IV = b"0123456789abcdef", b"fedcba9876543210"
BODIES = [b"", b"a", b"fifteen bytes..", b"sixteen bytes...", b"seventeen bytes..", bytes(range(256)) * 3]
CHUNKS = {1024: 100, 2048: 200}


def packet(proto_id: int, serial: int, plain: bytes, sent: bytes) -> str:
    digest = hashlib.sha1(plain, usedforsecurity=False).digest()
    head = struct.pack("<2sIBBII20s8s", b"FT", proto_id, 0, 0, serial, len(sent), digest, bytes(8))
    return (head + sent).hex()


def ftaes_ecb(plain: bytes) -> bytes:
    padded = plain + bytes(-len(plain) % 16)
    tail = bytes(15) + bytes([len(plain) % 16])
    return AES.new(AES_KEY, AES.MODE_ECB).encrypt(padded) + tail


def aes_ecb(plain: bytes) -> bytes:
    return AES.new(AES_KEY, AES.MODE_ECB).encrypt(pad(plain, 16))


def aes_cbc(plain: bytes) -> bytes:
    return AES.new(AES_KEY, AES.MODE_CBC, iv=AES_IV).encrypt(pad(plain, 16))


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    exchanges = {}
    for name, encrypt in {"FTAES_ECB": ftaes_ecb, "AES_ECB": aes_ecb, "AES_CBC": aes_cbc}.items():
        exchanges[name] = [
            {"plain": body.hex(), "packet": packet(3424, serial, body, encrypt(body))}
            for serial, body in enumerate(BODIES, 1)
        ]
    aes = {"key": AES_KEY.decode(), "iv": AES_IV.decode(), "exchanges": exchanges}
    (TARGET / "aes.json").write_text(json.dumps(aes, indent=1) + "\n")
    for bits, chunk in CHUNKS.items():
        key = RSA.generate(bits)
        cipher = PKCS1_v1_5.new(key)
        packets = []
        for serial, body in enumerate(BODIES[1:], 1):
            parts = [body[start : start + chunk] for start in range(0, len(body), chunk)]
            sent = b"".join(map(cipher.encrypt, parts))
            packets.append({"plain": body.hex(), "packet": packet(1001, serial, body, sent)})
        rsa = {"key": key.export_key("PEM", pkcs=1).decode(), "packets": packets}
        (TARGET / f"rsa{bits}.json").write_text(json.dumps(rsa, indent=1) + "\n")


if __name__ == "__main__":
    main()
