"""The policy of a cell: what each hook does with the datagrams to its ports."""

from wirepath.net import HOOKS, Hook

# What each hook does with the datagrams to its ports; the other hooks pass them.
PASS, DROP, LIMIT, DSCP, DEFAULT, REJECT, BAN = range(1, 8)
FIRST: dict[Hook, int] = {"ingress": 6000, "tc_ingress": 6100, "egress": 6200}
BODY_PORT = 5001
BURST = 2


def policy(*, answers: bool, link: bool = True, vlan: int = 0) -> str:
    """Write the policy of all three hooks.

    Args:
        answers: whether it has a rule that answers.
        link: whether frames have link headers; without, no packet changes at ingress.
        vlan: the tag of the packets, which a rule of each hook counts; 0 if they have none.
    """
    text = '[datapath]\ndefault = "drop"\n'
    for hook in HOOKS:
        first = FIRST[hook]
        own = {first + DEFAULT, first + DROP}
        if answers and hook == "ingress":
            own.add(first + REJECT)
            text += _rule(hook, "reject", f"dport = {first + REJECT}", "reject = true")
        if vlan:
            text += _rule(hook, "port", f"dport = {first + PASS}", "")
            text += _rule(hook, "tag", f"dport = {first + PASS}, vlan = {vlan}", "")
        text += _rule(hook, "drop", f"dport = {first + DROP}", 'action = "drop"')
        limit = f'limit = {{ rate = "{BURST}/h", burst = {BURST}, per = "rule" }}'
        text += _rule(hook, "limit", f"dport = {first + LIMIT}", limit)
        dscp = 'dscp = "EF"' if link or hook != "ingress" else ""
        text += _rule(hook, "dscp", f"dport = {first + DSCP}", dscp)
        if hook != "egress":  # where a limit would ban our own addresses
            ban = 'limit = { rate = "1/h", burst = 1, per = "src", ban = "1h" }'
            text += _rule(hook, "ban", f"dport = {first + BAN}", ban)
        rest = [first + n for first in FIRST.values() for n in range(1, 8) if first + n not in own]
        text += _rule(hook, "rest", f"dport = {rest}", 'action = "pass"')
        text += f'[[rule]]\nname = "{hook}-tcp"\nhook = "{hook}"\naction = "pass"\n'
        text += f'match = {{ proto = "tcp", port = {BODY_PORT} }}\n'
        # Errors that the host itself answers with are no test of ours.
        text += f'[[rule]]\nname = "{hook}-icmp"\nhook = "{hook}"\naction = "pass"\n'
        text += 'match = { proto = ["icmp", "icmpv6"] }\n'
    return text


def _rule(hook: Hook, name: str, match: str, does: str) -> str:
    head = f'[[rule]]\nname = "{hook}-{name}"\nhook = "{hook}"\n'
    return f'{head}match = {{ proto = "udp", {match} }}\n{does}\n'
