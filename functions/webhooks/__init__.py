"""Webhooks: notices posted to the addresses that a tenant gave, signed and tried again until they are taken."""
