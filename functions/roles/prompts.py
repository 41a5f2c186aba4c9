"""What the language model is told of a role: the files in `prompts/`."""

from longhaul import prompts

_prompts = prompts.load(__file__)

system, render = _prompts.system, _prompts.render


def version() -> str:
    """Which texts these are."""
    return _prompts.version("system", "role")
