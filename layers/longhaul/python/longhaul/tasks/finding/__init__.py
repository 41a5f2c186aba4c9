"""Finding tasks: a tenant's, filtered and sorted, by page or by cursor; and the steps and the history of one."""
