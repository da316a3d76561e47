"""The wire: frames in pieces, envelopes, and the ciphers compared with a plain use of their library."""

from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fuzz.pieces import parts, sliced
from qotgate.model import ProtocolError, QotGateError
from qotgate.protocol.cipher import BLOCK, RSA_BITS, AesCipher, PacketEncAlgo, RsaKey
from qotgate.protocol.envelope import TEXT_SIZE, decode_answer, decode_request, encode_answer, encode_request
from qotgate.protocol.frame import HEADER_SIZE, Frame, FrameParser, Packet

LIMIT = 1 << 12
ALGORITHMS = (PacketEncAlgo.FTAES_ECB, PacketEncAlgo.AES_ECB, PacketEncAlgo.AES_CBC)


def take_frame(data: bytes) -> None:
    """The first byte chooses the length of the pieces."""
    step, stream = data[0] if data else 0, data[1:]
    whole, ends_whole = _packets(stream, len(stream) or 1)
    pieces, ends_in_pieces = _packets(stream, step or 1)
    assert (whole, ends_whole) == (pieces, ends_in_pieces)
    for packet in whole:
        assert len(packet.body) <= LIMIT
        frame = packet.open()
        if frame.intact:
            (again,) = FrameParser(LIMIT).feed(frame.encode())
            assert again.open() == frame


def _packets(stream: bytes, step: int) -> tuple[list[Packet], bool]:
    """The packets of a stream in pieces, and whether it ended in an error."""
    parser = FrameParser(LIMIT)
    found = []
    for piece in sliced(stream, step):
        try:
            found += list(_held(parser, piece))
        except _Ended as ended:
            return found + ended.packets, True
        if step <= HEADER_SIZE:
            assert len(parser._waiting) <= HEADER_SIZE + LIMIT
    return found, False


class _Ended(Exception):  # noqa: N818 - it is no error
    def __init__(self, packets: list[Packet]) -> None:
        self.packets = packets


def _held(parser: FrameParser, piece: bytes) -> list[Packet]:
    found: list[Packet] = []
    try:
        for packet in parser.feed(piece):
            found.append(packet)  # noqa: PERF402 - what came before an error counts
    except ProtocolError:
        raise _Ended(found) from None
    return found


def take_envelope(data: bytes) -> None:
    with suppress(ProtocolError):
        frame = decode_request(data)
        assert encode_request(frame) == data
    with suppress(ProtocolError):
        frame, error, text = decode_answer(data)
        again, again_error, again_text = decode_answer(encode_answer(frame, error, text))
        assert (again, again_error) == (frame, error)
        assert len(again_text) <= TEXT_SIZE


def take_cipher(data: bytes) -> None:
    """Algorithm, key and IV, then bodies: even kinds come from a peer with the key, odd ones from a peer
    without it, which the connection survives."""
    if len(data) < 1 + 2 * BLOCK:
        return
    algorithm = ALGORITHMS[data[0] % len(ALGORITHMS)]
    key, iv = data[1 : 1 + BLOCK], data[1 + BLOCK : 1 + 2 * BLOCK]
    sender, receiver = AesCipher(algorithm, key, iv), AesCipher(algorithm, key, iv)
    for kind, body in islice(parts(data[1 + 2 * BLOCK :]), 16):
        if kind % 2:
            with suppress(ValueError):
                plain = receiver.decrypt(body)
                assert len(plain) <= len(body)
            continue
        encrypted = sender.encrypt(body)
        assert _by_library(algorithm, key, iv, encrypted).startswith(body)
        assert receiver.decrypt(encrypted) == body


def _by_library(algorithm: PacketEncAlgo, key: bytes, iv: bytes, encrypted: bytes) -> bytes:
    """The plaintext by a cipher made anew for the packet, with its padding."""
    mode: modes.CBC | modes.ECB = modes.CBC(iv) if algorithm is PacketEncAlgo.AES_CBC else modes.ECB()
    if algorithm is PacketEncAlgo.FTAES_ECB:
        encrypted = encrypted[:-BLOCK]
    decryptor = Cipher(algorithms.AES(key), mode).decryptor()
    return decryptor.update(encrypted) + decryptor.finalize()


@cache
def _rsa_keys() -> list[RsaKey]:
    return [RsaKey.generate(bits) for bits in RSA_BITS]


@cache
def _key_file() -> Path:
    return Path(mkdtemp()) / "key.pem"


def take_rsa(data: bytes) -> None:
    """The first byte chooses a key with an operation, or a key file."""
    choice, body = data[0] if data else 0, data[1:]
    if choice % 4 == 3:
        _key_file().write_bytes(body)
        with suppress(QotGateError):
            key = RsaKey.load(_key_file())
            assert key.decrypt(key.encrypt(b"body")) == b"body"
        return
    key = _rsa_keys()[choice % 2]
    if choice % 4 < 2:
        frame = Frame(1001, 0, 1, body[:LIMIT])
        (packet,) = FrameParser(1 << 20).feed(frame.encode(key.encrypt))
        assert packet.open(key.decrypt) == frame
    else:
        with suppress(ValueError):
            assert len(key.decrypt(body[:LIMIT])) <= len(body)
