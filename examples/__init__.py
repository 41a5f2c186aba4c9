"""Workloads to copy into functions/workloads: each file says what it shows and how to try it."""
