-- Notices: a transition's event is told to those who listen. An event that is still to be told has `unsent` 1, any other
-- NULL: events of the version before, which runs beside this one during a deployment, and those of tenants to whom nobody
-- listens. How far the task was when it happened stands in the event, as its row goes on.
ALTER TABLE task_events
    ADD COLUMN progress TINYINT,
    ADD COLUMN stage VARCHAR(64),
    ADD COLUMN current_step VARCHAR(200),
    ADD COLUMN unsent TINYINT,
    ADD KEY events_unsent (unsent, task_id, id);

-- Which channels listen to a tenant's tasks, and until when. Each channel keeps to whom it tells what.
CREATE TABLE IF NOT EXISTS notice_listeners (
    tenant_id VARBINARY(256) NOT NULL,
    channel VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    until DATETIME(6) NOT NULL,
    PRIMARY KEY (tenant_id, channel)
);

-- The trace of the request that submitted the task (https://www.w3.org/TR/trace-context/).
ALTER TABLE tasks ADD COLUMN traceparent VARCHAR(55);
