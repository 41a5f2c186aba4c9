"""Stand-ins for the providers, on loopback: the real wire protocols, real divisions, made-up hospitals and calls.

`python -m local.providers --port 5101` serves them all. `app.make_app` puts one provider beside the other; each
brings its routes and shares the controls (what goes wrong, and how often) and the journal (who was asked what).

    llm.py         the language models: completions.py is the protocol, divisions.py, hospitals.py, conversations.py,
                   opinions.py and roles.py what they know, models.py who they are, shapes.py what they are to fill in
    outbound.py    OutboundBot, which calls people: acs.py and rpc.py are Alibaba Cloud's protocol, outbound_actions.py
                   and outbound_shapes.py the service's own, calls.py and lines.py its world, recordings.py its files
"""
