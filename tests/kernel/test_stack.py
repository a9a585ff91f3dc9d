"""The stack that the kernel accounts is the stack that is read off the compiled file."""

import sys
from pathlib import Path

import pytest

from wirepath.datapath.generation import hook as loading
from wirepath.errors import VerifierError
from wirepath.kernel.object_file import object_file
from wirepath.net import HOOKS, Hook

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import mixtures
from stack import STACK_MAX, Compiled

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("hook", HOOKS)
def test_everything_together_loads_with_all_that_is_left(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = Compiled.read(object_file())
    left = STACK_MAX - compiled.deepest(hook).bytes
    *_, (_, worst) = mixtures.policies()
    padded = tmp_path / "padded.bpf.o"
    monkeypatch.setattr(loading, "object_file", lambda: padded)
    padded.write_bytes(compiled.padded(hook, left))
    mixtures.loaded(worst, [hook]).close()
    padded.write_bytes(compiled.padded(hook, left + STACK_MAX // 4))
    with pytest.raises(VerifierError, match="stack"):
        mixtures.loaded(worst, [hook])


def test_a_chain_names_functions_from_the_hook_on() -> None:
    chain = Compiled.read(object_file()).deepest("ingress")
    names = [each.name for each in chain.functions]
    assert names[0] == "ingress"
    assert {"walk_on", "run_byte_action"} & set(names)  # as deep as each other
    assert sum(each.frame for each in chain.functions) <= chain.bytes
