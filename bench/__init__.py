"""Measurements: each a module with a `main`, run by `make bench NAME=...`, its figures in `bench/results`."""
