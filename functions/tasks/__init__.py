"""Long-running tasks: submit them, follow them, cancel them."""
