"""The whole stack on one machine: no Docker, no AWS account, no root. Start it with `python -m local up`."""
