-- Steering: lanes in which tenants take turns, and indexes for each order in which a tenant's tasks are listed.

-- A lane's virtual time, by which its tenants take turns (start-time fair queueing); see lane_tenants.
ALTER TABLE lanes ADD COLUMN turn DOUBLE NOT NULL DEFAULT 0;

-- A tenant that the lane has served, or that was given a weight: it is served `weight` times as often as one of weight 1.
-- `turn` is where its next task stands in the lane's virtual time.
CREATE TABLE IF NOT EXISTS lane_tenants (
    kind VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tenant_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    weight INT NOT NULL DEFAULT 1,
    turn DOUBLE NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, tenant_id),
    CONSTRAINT tenants_of_lane FOREIGN KEY (kind) REFERENCES lanes (kind) ON DELETE CASCADE
);

-- Each holds what a list filters by: rows that a filter refuses are passed over without being read.
ALTER TABLE tasks
    ADD KEY tasks_by_created (tenant_id, created_at, id, status, kind, priority),
    ADD KEY tasks_by_updated (tenant_id, updated_at, id, status, kind, priority, created_at),
    ADD KEY tasks_by_priority (tenant_id, priority, id, status, kind, created_at),
    ADD KEY tasks_by_progress (tenant_id, progress, id, status, kind, priority, created_at),
    ADD KEY tasks_to_purge (status, finished_at, id);

-- The dispatcher ranks all that waits in a lane, by this index alone. It begins as the one before it did.
ALTER TABLE tasks ADD KEY tasks_waiting (kind, status, priority DESC, id, tenant_id, run_after, deadline);
ALTER TABLE tasks DROP KEY tasks_to_pick;

-- They do what these did. (One statement each: the embedded engine does not drop and add at once.)
ALTER TABLE tasks DROP KEY tasks_by_tenant_time;
ALTER TABLE tasks DROP KEY tasks_by_tenant_priority;
