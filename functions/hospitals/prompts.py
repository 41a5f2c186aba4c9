"""What the language model is told of the directory: the files in `prompts/`."""

from longhaul import prompts

_prompts = prompts.load(__file__)

system, render = _prompts.system, _prompts.render
