"""wirepath: one policy file in, one verified eBPF datapath out."""

__version__ = "0.1.0"
