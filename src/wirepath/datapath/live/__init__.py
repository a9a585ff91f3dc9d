"""The live state of a running datapath: bans, sets, counters and rates."""
