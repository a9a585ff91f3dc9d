"""Broken frames, made from well-formed ones: bits flipped, ends cut off, lengths that lie."""

from random import Random

from harness.xdp import Sent

# Values for lengths, types and offsets that mislead a parser.
_TELLING = (0, 1, 4, 5, 6, 7, 8, 15, 16, 20, 40, 43, 44, 51, 58, 59, 60, 64, 128, 240, 255)


def mutant(random: Random, data: bytes) -> Sent:
    """Draw a mutant of *data*: one to four changes."""
    frame = bytearray(data)
    wire: int | None = None
    for _ in range(random.choice((1, 1, 2, 4))):
        kind = random.choice(("bit", "byte", "word", "cut", "grow", "snap", "lie"))
        if kind == "cut":
            del frame[random.randint(0, len(frame)) :]
        elif kind == "grow":
            frame += random.randbytes(random.choice((1, 4, 18, 60)))
        elif kind == "snap":
            wire = len(frame)
            del frame[random.randint(0, len(frame)) :]
        elif kind == "lie":
            wire = max(0, len(frame) + random.choice((-30, -8, -1, 1, 8, 1000)))
        elif frame:
            _change(random, frame, kind)
    return Sent(bytes(frame), None if wire is None else max(wire, len(frame)))


def _change(random: Random, frame: bytearray, kind: str) -> None:
    # Changes to headers are the harmful ones, so most are within the first 100 bytes.
    at = random.randrange(min(len(frame), random.choice((24, 60, 100, 9000))))
    if kind == "bit":
        frame[at] ^= 1 << random.randrange(8)
    elif kind == "byte":
        frame[at] = random.choice(_TELLING)
    else:
        number = random.choice((0, 1, 8, 20, 40, 64, len(frame), 0x1FFF, 0x2000, 0x800, 0x86DD,
                                0x8100, 0x88A8, 0xFFFF))  # fmt: skip
        frame[at : at + 2] = (number & 0xFFFF).to_bytes(2, "big")
