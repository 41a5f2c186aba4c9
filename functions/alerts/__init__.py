"""Alerts: what is wrong with tasks, and who is notified of it; and the dead letters of the queues."""
