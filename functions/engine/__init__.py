"""What runs every code-first workload: its stages, its steps, and the callbacks that they wait for."""
