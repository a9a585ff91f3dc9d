"""The system-call half: objects, maps, links, pins. It knows no policy.

object    a compiled file → loaded programs and maps
program   one of its programs: attach it through ``links``, run it on frames of one's own
maps      one of its maps: by entry, by batch, summed, or as plain memory
ctype     how a C type lies in memory; ``btf`` finds it by name
links     programs on interfaces
bpffs     where links and maps outlive the process
interface what an interface is; ``features`` what this kernel can do

Nothing is imported here: a command pays for what it uses.
"""
