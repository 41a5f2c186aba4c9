"""The embedded database as a process of its own: prints its connection options, then serves until it is killed."""

import json
import os
import sys

os.environ["TELEMETRY_ENABLED"] = "false"

import pylibseekdb

instance = pylibseekdb.open(db_dir=sys.argv[1])
print(json.dumps(instance.connection_options()), flush=True)
sys.stdin.read()
