"""The WebSocket API: who listens in a browser or a program hears each notice as it comes."""
