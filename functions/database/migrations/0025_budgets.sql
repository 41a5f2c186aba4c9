-- The budget of a code-first task as its caller has changed it: `max_cost` counts once `budget_changed` is set, NULL is without
-- limit; until then the task's params say it. `told`: the task was paused because it reached its budget, and its caller knows.
ALTER TABLE task_spending
    ADD COLUMN max_cost DECIMAL(20, 10),
    ADD COLUMN budget_changed TINYINT NOT NULL DEFAULT 0,
    ADD COLUMN told TINYINT NOT NULL DEFAULT 0;
