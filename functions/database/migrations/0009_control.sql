-- Control: requests that are carried out once, and tasks that are to start later.

-- A request that was carried out under an Idempotency-Key. `request_id` is a digest of tenant and key, `request_digest` one
-- of method, path and payload. `answer` is what cannot be read again when it is sent again. Kept for a day.
CREATE TABLE IF NOT EXISTS control_requests (
    request_id CHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    request_digest CHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    answer MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (request_id),
    KEY requests_by_age (created_at)
);

-- How many tasks of the lane's kind one tenant may have whose `run_after` is to come. They do not count against `max_queued`.
ALTER TABLE lanes ADD COLUMN max_scheduled INT NOT NULL DEFAULT 1000;

-- The dispatcher ranks what is due in a lane, and a submit counts it, by this index alone. It holds what `tasks_waiting`
-- held, with the time first, so that tasks which sleep are never read.
ALTER TABLE tasks ADD KEY tasks_due (kind, status, run_after, tenant_id, priority, id, deadline);
ALTER TABLE tasks DROP KEY tasks_waiting;

-- What sleeps of one tenant.
ALTER TABLE tasks ADD KEY tasks_scheduled (tenant_id, kind, status, run_after);
