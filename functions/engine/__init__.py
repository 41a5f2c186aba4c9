"""What runs every code-first workload: its stages, its steps, and the callbacks that they wait for."""

from longhaul import imports as imports  # before all else: a cold start imports less
