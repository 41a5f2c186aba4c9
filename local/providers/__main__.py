"""Serve the provider stand-ins: `python -m local.providers --port 5101`."""

import argparse
import logging

from aiohttp import web

from local.providers.app import make_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.providers", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--key", default="", help="the only API key that the language model and DashScope accept (default: any)"
    )
    parser.add_argument("--access-key-id", default="", help="the only one that OutboundBot accepts (default: any)")
    parser.add_argument("--access-key-secret", default="", help="the secret of its signatures (default: unchecked)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    web.run_app(
        make_app(options.key, options.access_key_id, options.access_key_secret),
        host=options.host,
        port=options.port,
        handler_cancellation=True,  # a delayed response ends when its client has gone
        access_log=None,
        print=None,
    )


if __name__ == "__main__":
    main()
