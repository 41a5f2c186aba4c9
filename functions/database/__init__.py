"""The schema and its migrations."""

from longhaul import imports as imports  # before all else: a cold start imports less
