"""WireGuard messages, whitepaper section 5.4, with random bytes in place of encrypted ones."""

# ruff: noqa: S311 - a seed, so that it fails again
from hashlib import blake2s
from random import Random

INITIATION, RESPONSE, COOKIE, DATA = 1, 2, 3, 4
SIZES = {INITIATION: 148, RESPONSE: 92, COOKIE: 64}
MAC1_AT = {INITIATION: 116, RESPONSE: 60}


def message(kind: int, size: int | None = None, *, seed: int = 0, reserved: int = 0) -> bytes:
    """Make a message of *kind*, of the right size unless told otherwise."""
    size = SIZES.get(kind, 32) if size is None else size
    start = (kind | reserved << 8).to_bytes(4, "little")
    return (start + Random(seed).randbytes(size))[:size]


def proved(kind: int, key: bytes, *, seed: int = 0) -> bytes:
    """Make a handshake message with a mac1 for the owner of the public *key*."""
    at, plain = MAC1_AT[kind], message(kind, seed=seed)
    secret = blake2s(b"mac1----" + key).digest()
    mac1 = blake2s(plain[:at], key=secret, digest_size=16).digest()
    return plain[:at] + mac1 + plain[at + 16 :]
