"""Code-first workloads: each file here that declares a `Workload` is a kind of task, and nothing else is to be done."""
