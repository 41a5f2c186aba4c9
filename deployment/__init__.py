"""template.yaml, made of what each domain declares and of what its code says (`make template`).

base.yaml     what belongs to no domain: parameters, layers, key, API, tables
declaration   functions/<domain>/deployment.yaml: what cannot be read from the code
code          what can: the settings a function requires, its routes, a state machine's steps
bundle        all of them together, and who refers to what
policies      what a function may do: what its settings name, and what its declaration adds
resources     what a function, its queue and a state machine become in the template
monitoring    alarms and the dashboard
template      the whole, as text
text          CloudFormation's YAML, in and out
"""
