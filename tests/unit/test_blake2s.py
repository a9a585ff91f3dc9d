"""BLAKE2s, block by block, against the standard library."""

from hashlib import blake2s

from hypothesis import given
from hypothesis import strategies as st

from wirepath.actions.blake2s import BLOCK_BYTES, compress, keyed


@given(key=st.binary(min_size=1, max_size=32), data=st.binary(min_size=1), size=st.integers(1, 32))
def test_from_the_key_to_the_digest(key: bytes, data: bytes, size: int) -> None:
    state = keyed(key, size)
    for at in range(0, len(data), BLOCK_BYTES):
        block = data[at : at + BLOCK_BYTES]
        state = compress(
            state,
            block.ljust(BLOCK_BYTES, b"\0"),
            BLOCK_BYTES + at + len(block),
            last=at + BLOCK_BYTES >= len(data),
        )
    digest = b"".join(word.to_bytes(4, "little") for word in state)[:size]
    assert digest == blake2s(data, key=key, digest_size=size).digest()
