"""Random policies and frames; the frames aim at the edges of the policies.

All are drawn from a ``random.Random``: a seeded one for many and large policies, and one from
Hypothesis for small policies, which it then shrinks.
"""

from random import Random

from harness.chance.aimed import Aim, Shooter
from harness.chance.mutants import mutant
from harness.chance.policies import Maker
from harness.xdp import Sent
from wirepath.policy import Policy

__all__ = ["Aim", "Maker", "Shooter", "frames", "mutant"]


def frames(random: Random, policy: Policy, count: int) -> list[Sent]:
    """Draw frames aimed at *policy*; every third is a mutant of one."""
    shooter = Shooter(random, Aim.at(policy))
    return [
        mutant(random, bytes(shooter.frame())) if n % 3 == 2 else shooter.sent()
        for n in range(count)
    ]
