"""Generations of a policy: programs and tables, the state they carry over, and the manifest."""
