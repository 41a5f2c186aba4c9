"""Brand diagnosis: N questions put to M language models, and what their answers say of a brand."""

from longhaul import imports as imports  # before all else: a cold start imports less
