"""SipHash-2-4 (Aumasson, Bernstein 2012): the twin of ``bpf/lib/siphash.h``. Plain, not fast."""

from typing import Final

_WORD: Final = (1 << 64) - 1


def siphash(key: tuple[int, int], data: bytes) -> int:
    """Hash *data* to 64 bits under *key*, two words of 64 bits."""
    state = [
        key[0] ^ 0x736F6D6570736575,
        key[1] ^ 0x646F72616E646F6D,
        key[0] ^ 0x6C7967656E657261,
        key[1] ^ 0x7465646279746573,
    ]
    whole = len(data) // 8 * 8
    words = [data[at : at + 8] for at in range(0, whole, 8)]
    words.append(data[whole:].ljust(7, b"\0") + bytes([len(data) & 0xFF]))
    for word in words:
        number = int.from_bytes(word, "little")
        state[3] ^= number
        _round(_round(state))
        state[0] ^= number
    state[2] ^= 0xFF
    for _ in range(4):
        _round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _round(state: list[int]) -> list[int]:
    a, b, c, d = state
    a, c = a + b & _WORD, c + d & _WORD
    b, d = _rotated(b, 13) ^ a, _rotated(d, 16) ^ c
    a = _rotated(a, 32)
    c, a = c + b & _WORD, a + d & _WORD
    b, d = _rotated(b, 17) ^ c, _rotated(d, 21) ^ a
    state[:] = a, b, _rotated(c, 32), d
    return state


def _rotated(word: int, by: int) -> int:
    return (word << by | word >> 64 - by) & _WORD
