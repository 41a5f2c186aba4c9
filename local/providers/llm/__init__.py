"""The stand-in for the language models.

endpoint      the HTTP endpoint, and the faults of its answers
completions   OpenAI's chat-completions protocol
refusals      how real endpoints refuse a part of a request
models        the models that it plays, and what each says of which brand
knowledge     what it answers to each kind of question
invention     answers to every other question, by its schema or in prose
patterns      texts that match a regular expression
schemas       an answer made to fit the JSON schema of a request
divisions     the administrative divisions of China
hospitals     invented hospitals
"""
