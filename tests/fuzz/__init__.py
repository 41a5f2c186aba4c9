"""Schemathesis over the API's own document: `make fuzz`."""
