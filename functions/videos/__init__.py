"""Videos: a brief, its script and storyboard, frames and clips by a provider, joined to a film."""

from longhaul import imports as imports  # before all else: a cold start imports less
