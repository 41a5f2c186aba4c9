-- When a step was last taken by a worker (NULL: never), and how often. `status` of a step that a worker has taken stays
-- PENDING: code of the version before, which runs beside this one during a deployment, counts only the statuses it knows.
-- That the step is RUNNING follows from these columns and its task's row (`list_steps`).
ALTER TABLE task_steps
    ADD COLUMN started_at DATETIME(6),
    ADD COLUMN attempts INT NOT NULL DEFAULT 0;
