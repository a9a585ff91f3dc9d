"""The half that makes system calls: objects, maps, links, pins. It knows no policy.

object     loads a compiled file: its programs and maps
program    one loaded program; ``links`` attaches it, and it can be run on frames from memory
maps       one map: read and written by entry, by batch, summed over CPUs, or as plain memory
ctype      a C type: Python values to bytes and back; ``btf`` finds types by name
links      XDP programs on interfaces; ``tcx`` and ``clsact`` do the same for TC
bpffs      the directories of pins, where links and maps outlive the process
interface  the state of an interface; ``features`` finds what this kernel can do

This package imports none of its modules, so that a command loads only what it uses.
"""
