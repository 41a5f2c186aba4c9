"""What the language models are told in a diagnosis: the files in `prompts/`."""

from longhaul import prompts

_prompts = prompts.load(__file__)

system, render = _prompts.system, _prompts.render
