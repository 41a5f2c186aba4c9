-- Tasks by error code. Most tasks have none, so a list or a count of those with a code reads few entries. A code is written
-- when a task ends or is tried again, so the index costs a running task nothing.
ALTER TABLE tasks ADD KEY tasks_by_error (tenant_id, error_code, created_at, id);
