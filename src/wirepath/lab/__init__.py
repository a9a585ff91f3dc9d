"""A network in namespaces: a protected host, real clients, an attacker that floods.

network   the hosts and the wire between them; ``netns`` their namespaces
traffic   what a flood is made of; ``flood`` sends it, some millions of packets a second
web       a server and a client that count what was answered
demo      all of it together

Nothing is imported here: a command pays for what it uses.
"""
