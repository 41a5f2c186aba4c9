"""AI role creation: a tenant's material becomes a role for its callers, written by an LLM and kept in versions."""

from longhaul import imports as imports  # before all else: a cold start imports less
