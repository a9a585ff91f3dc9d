"""What packets cost here: comparisons of packet filters, over veths in namespaces of their own.

path        the comparison: subjects, lanes that packets take through them, slices in turn
wire        the veths, with different fates of passed packets
peers       the kernel's own filters; ``tools`` runs their commands
subject     wirepath itself
contenders  what ``wirepath bench`` compares; ``packets`` has its packets
contest     its measurement; ``outcome`` has the result, ``trust`` checks it
driver      what the driver of an interface gives
plot        costs drawn on logarithmic axes; ``picture`` draws those of ``wirepath bench``
"""
