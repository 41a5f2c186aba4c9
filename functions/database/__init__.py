"""The schema and what brings it up to date."""
