"""Prefix tables: lists of prefixes in, memory that packets are judged by out.

Everything here works on memory that the caller gives: plain buffers in tests, mapped BPF maps in
production. How it lies there is ``bpf/prefixes/prefix_layout.h``'s to say; the work is done in C.
"""

from wirepath.prefixes.live import Change, Dirty, Full, LiveSets, SetMemory
from wirepath.prefixes.members import BadLine, Members, ParsedList, format_members, parse_list
from wirepath.prefixes.tables import ClassTable, Tables, build_class_table, lookup, set_rows

__all__ = [
    "BadLine",
    "Change",
    "ClassTable",
    "Dirty",
    "Full",
    "LiveSets",
    "Members",
    "ParsedList",
    "SetMemory",
    "Tables",
    "build_class_table",
    "format_members",
    "lookup",
    "parse_list",
    "set_rows",
]
