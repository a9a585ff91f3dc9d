"""What is measured, a module a subject: each has ``measure``, which yields tables."""
