"""Long-running tasks: submit them, follow them, steer them."""

from longhaul import imports as imports  # before all else: a cold start imports less
