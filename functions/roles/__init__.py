"""AI role creation: a tenant's material becomes a role for its callers, written by an LLM and kept in versions."""
