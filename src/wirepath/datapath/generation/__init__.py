"""One loaded generation of a policy: its programs and tables, its state and its manifest."""
