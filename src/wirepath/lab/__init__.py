"""A network in namespaces: a protected host, real clients, an attacker that floods.

network   the hosts and the wire between them; ``netns`` has their namespaces
traffic   the packets of a flood; ``flood`` sends millions of them per second
web       a web server, and a client that counts answers
control   the functions of ``wirepath lab``
demo      a host under attack, with all of the above

This package imports none of its modules, so that a command loads only what it uses.
"""
