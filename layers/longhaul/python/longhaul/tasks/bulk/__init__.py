"""Many tasks at once: submitted, changed, acted upon by a filter, purged."""
