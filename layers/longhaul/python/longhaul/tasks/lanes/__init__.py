"""Lanes: how many tasks of a kind may run at once and may wait, and whose turn it is."""
