"""Alerts: what is wrong with tasks, and who is notified of it; and the dead letters of the queues."""

from longhaul import imports as imports  # before all else: a cold start imports less
