"""What wirepath changes around a policy's programs on this host, and puts back at `down`."""
