"""The kernel every domain stands on: tasks, steps, database, cache, workflows, HTTP, LLM. It knows no domain."""
