"""Stand-ins for the providers, on loopback: the real wire protocols, real divisions, made-up hospitals.

`python -m local.providers --port 5101` serves them all. `app.make_app` puts one provider beside the other; each
brings its routes and shares the controls (what goes wrong, and how often) and the journal (who was asked what).
"""
