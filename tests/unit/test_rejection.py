"""The line that is chosen from the output of libbpf and the verifier, on kernels old and new."""

from errno import EACCES, EINVAL, EPERM

import pytest

from wirepath.errors import VerifierError
from wirepath.kernel.rejection import rejection

LOG = """\
0: R1=ctx() R10=fp0
; unsigned char *p = data; @ bad.bpf.c:5
0: (61) r1 = *(u32 *)(r1 +0)          ; R1_w=pkt(r=0)
; return p[12] == 8;{place}
1: (71) r1 = *(u8 *)(r1 +12)
invalid access to packet, off=12 size=1, R1(id=0,off=12,r=0)
R1 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0
"""


def said(log: str) -> str:
    return (
        "libbpf: prog 'bad': BPF program load failed: Permission denied\n"
        f"libbpf: prog 'bad': -- BEGIN PROG LOAD LOG --\n{log}-- END PROG LOAD LOG --\n"
        "libbpf: failed to load object 'bad.o'\n"
    )


@pytest.mark.parametrize(
    ("place", "shown"),
    [(" @ bad.bpf.c:6", "bad.bpf.c:6"), ("", "`return p[12] == 8;`")],
)
def test_verifier(place: str, shown: str) -> None:
    log = LOG.format(place=place)
    error = rejection("load bad.o", EACCES, said(log))
    assert isinstance(error, VerifierError)
    assert error.log == log
    assert str(error) == (
        f"load bad.o: {shown}: invalid access to packet, off=12 size=1, R1(id=0,off=12,r=0): "
        "R1 offset is outside of the packet: Permission denied [EACCES] (8 log lines in .log)"
    )


def test_log_without_a_step() -> None:
    error = rejection("load bad.o", EINVAL, said("unreachable insn 2\nprocessed 0 insns\n"))
    assert str(error) == (
        "load bad.o: unreachable insn 2: Invalid argument [EINVAL] (2 log lines in .log)"
    )


@pytest.mark.parametrize(
    ("errno", "words", "text"),
    [
        (
            EPERM,
            "libbpf: Failed to bump RLIMIT_MEMLOCK\n",
            (
                "load bad.o: Operation not permitted [EPERM] "
                "(run it as root, or with CAP_BPF and CAP_NET_ADMIN)"
            ),
        ),
        (
            EINVAL,
            (
                "libbpf: Error in bpf_create_map_xattr(m): retrying\n"
                "libbpf: map 'm': failed to create: Invalid argument(-22)\n"
            ),
            "load bad.o: map 'm': failed to create: Invalid argument [EINVAL]",
        ),
        (4001, "libbpf: elf: not an ELF object\n", "load bad.o: elf: not an ELF object"),
        (EINVAL, "", "load bad.o: Invalid argument [EINVAL]"),
    ],
)
def test_other_refusals(errno: int, words: str, text: str) -> None:
    assert str(rejection("load bad.o", errno, words)) == text
