"""The WebSocket API: who listens in a browser or a program hears each notice as it comes."""

from longhaul import imports as imports  # before all else: a cold start imports less
