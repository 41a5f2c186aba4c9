"""The monitor: figures of tasks over any window, and what is wrong with them."""

from longhaul import imports as imports  # before all else: a cold start imports less
