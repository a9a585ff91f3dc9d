"""What packets cost here: comparisons of packet filters, over veths in namespaces of their own.

path      the comparison: subjects, lanes that packets take through them, slices in turn
wire      the veths, with different fates of passed packets
peers     the kernel's own filters; ``tools`` runs their commands
subject   wirepath itself
"""
