"""The monitor: figures of tasks over any window, and what is wrong with them."""
