"""The hospital directory of China: province > city > district > hospital, refreshed through an LLM."""

from longhaul import imports as imports  # before all else: a cold start imports less
