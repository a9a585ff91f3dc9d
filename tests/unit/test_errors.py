"""Messages of exceptions, and exit codes of the command line."""

import errno

import pytest

from wirepath import errors


def test_exit_codes() -> None:
    assert errors.KernelError("x", errno.EPERM).exit_code == 1
    assert errors.LayoutError("x").exit_code == 1
    assert errors.RequestError("x").exit_code == 2
    assert errors.CaptureError("x").exit_code == 2
    assert errors.PolicyError([errors.Problem("p", 1, "k", "m")]).exit_code == 2


def test_every_problem_is_told() -> None:
    problems = [
        errors.Problem("p.toml", 3, "rule.web.match.dport", "70000 is no port (0-65535)"),
        errors.Problem("p.toml", 0, "", "is empty"),
    ]
    error = errors.PolicyError(problems)
    assert error.problems == problems
    assert str(error) == (
        "p.toml:3: rule.web.match.dport: 70000 is no port (0-65535)\np.toml: is empty"
    )


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            errors.KernelError("load x.o", errno.EPERM),
            "load x.o: Operation not permitted [EPERM]",
        ),
        (
            errors.AttachError("attach eth0", errno.EBUSY, what="taken", cure="take it off"),
            "attach eth0: taken [EBUSY] (take it off)",
        ),
        (
            errors.PinError("open pins of eth0", what="made by 0.9", cure="`wirepath down`"),
            "open pins of eth0: made by 0.9 (`wirepath down`)",
        ),
        (
            errors.NotSupported("attach eth0", needs="Linux 6.6"),
            "attach eth0: not supported by this kernel [EOPNOTSUPP] (needs Linux 6.6)",
        ),
    ],
)
def test_grammar(error: errors.KernelError, text: str) -> None:
    assert str(error) == text


def test_names_of_errnos() -> None:
    assert errors.errno_name(524) == "ENOTSUPP"
    assert errors.errno_name(9999) == "9999"
