"""API Gateway on this machine.

gateway    the HTTP API: a request through its route, token and throttle to the function, and back
routes     which route a request takes, and how many requests a route accepts
tokens     the stack's token issuer, and the JWT authorizer that checks its tokens
payloads   a request as a function's event, a function's result as a response (payload format 2.0)
sockets    the WebSocket API: handshakes, limits, messages to their functions (`socket_events`: as they get them)
connections  its management API: what functions post to connections
server     the HTTP server: its limits, and its own errors as problems
"""
