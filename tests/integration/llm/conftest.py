"""The stand-in for the language models, served in a thread of the test's process."""

from tests.integration.hospitals.conftest import served, stand_in

__all__ = ["served", "stand_in"]
