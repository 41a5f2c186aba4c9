"""Serve the local AWS: `python -m local.aws --port 3001 --runtime http://127.0.0.1:3003`."""

import argparse
from pathlib import Path

from local.aws.server import serve
from local.iam.guard import Guard

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m local.aws", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--runtime", required=True, help="where the stack's runtime listens")
    parser.add_argument("--iam", type=Path, required=True, help="the folder of the policies and of what they allowed")
    parser.add_argument("--mail", type=Path, required=True, help="the folder of the mails that are sent")
    arguments = parser.parse_args()
    serve(arguments.port, arguments.runtime, Guard(arguments.iam), arguments.mail)
