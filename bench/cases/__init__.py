"""The cases, one module each; its function ``measure`` yields tables."""
