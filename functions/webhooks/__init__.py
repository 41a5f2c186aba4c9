"""Webhooks: notices posted to the addresses that a tenant gave, signed and tried again until they are taken."""

from longhaul import imports as imports  # before all else: a cold start imports less
