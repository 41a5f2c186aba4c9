"""The hospital directory of China: province > city > district > hospital, refreshed through an LLM."""
