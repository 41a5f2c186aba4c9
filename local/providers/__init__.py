"""Stand-ins for the providers, on loopback: the real wire protocols, real divisions, invented hospitals and calls.

`python -m local.providers --port 5101` serves them all.

app             the application: every provider's routes, and the control over them
faults          the controls: which faults a provider has, and how slow it is
journal         which requests were made, and their outcomes
conversations   what is said in a call, and its analysis; both providers use it
receiver        a receiver of webhooks: slow, wrong or gone when it is told to be
llm/            the language models, by OpenAI's protocol
outbound/       OutboundBot, the telephone service of Alibaba Cloud
dashscope/      DashScope's asynchronous jobs, which make pictures and clips
"""
