"""BLAKE2s block by block (RFC 7693), for its state between two blocks; hashlib hides that."""

from typing import Final

BLOCK_BYTES: Final = 64

_MASK: Final = (1 << 32) - 1
_IV: Final = (
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
)  # fmt: skip
_SIGMA: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0),
)
# Columns, then diagonals, of the four by four words.
_QUARTERS: Final = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)  # fmt: skip


def keyed(key: bytes, digest_bytes: int) -> tuple[int, ...]:
    """Give the eight words of state after the block of *key*, of at most 32 bytes."""
    first = _IV[0] ^ (0x01010000 | len(key) << 8 | digest_bytes)
    return compress((first, *_IV[1:]), key.ljust(BLOCK_BYTES, b"\0"), BLOCK_BYTES)


def compress(
    state: tuple[int, ...], block: bytes, hashed: int, *, last: bool = False
) -> tuple[int, ...]:
    """Hash one more *block*; *hashed* counts all bytes up to its end, without padding."""
    m = [int.from_bytes(block[at : at + 4], "little") for at in range(0, BLOCK_BYTES, 4)]
    v = [*state, *_IV]
    v[12] ^= hashed
    v[14] ^= _MASK * last
    for order in _SIGMA:
        for quarter, words in enumerate(_QUARTERS):
            _mix(v, words, m[order[2 * quarter]], m[order[2 * quarter + 1]])
    return tuple(old ^ v[at] ^ v[at + 8] for at, old in enumerate(state))


def _mix(v: list[int], words: tuple[int, ...], x: int, y: int) -> None:
    # The function G of RFC 7693 section 3.1.
    a, b, c, d = words
    for word, by, then in ((x, 16, 12), (y, 8, 7)):
        v[a] = v[a] + v[b] + word & _MASK
        v[d] = _rotated(v[d] ^ v[a], by)
        v[c] = v[c] + v[d] & _MASK
        v[b] = _rotated(v[b] ^ v[c], then)


def _rotated(word: int, by: int) -> int:
    return (word >> by | word << 32 - by) & _MASK
