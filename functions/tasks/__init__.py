"""Long-running tasks: submit them, follow them, steer them."""
