-- Tasks, their steps, their history and their lanes. All times are UTC with microseconds, written by the statements
-- themselves (UTC_TIMESTAMP(6)), never by a column default: the servers' CURRENT_TIMESTAMP follows a session's zone.
-- DDL commits as it goes, so each statement may run again after a migration that was killed.

CREATE TABLE IF NOT EXISTS tasks (
    id BIGINT NOT NULL AUTO_INCREMENT,
    task_id VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tenant_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    user_id VARCHAR(128) NOT NULL,
    kind VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    title VARCHAR(200) NOT NULL,
    params JSON NOT NULL,
    status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    priority TINYINT NOT NULL,
    progress TINYINT NOT NULL DEFAULT 0,
    steps_done INT NOT NULL DEFAULT 0,
    stage VARCHAR(64),
    current_step VARCHAR(200),
    statistics JSON,
    result JSON,
    error_code VARCHAR(64),
    error_message VARCHAR(2000),
    attempt INT NOT NULL DEFAULT 0,
    retries INT NOT NULL DEFAULT 0,
    max_retries INT NOT NULL,
    run_after DATETIME(6) NOT NULL,
    deadline DATETIME(6),
    heartbeat_at DATETIME(6),
    execution_arn VARCHAR(512),
    idempotency_key VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    request_digest CHAR(64) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    started_at DATETIME(6),
    updated_at DATETIME(6) NOT NULL,
    finished_at DATETIME(6),
    PRIMARY KEY (id),
    UNIQUE KEY tasks_by_public_id (task_id),
    UNIQUE KEY tasks_by_idempotency_key (tenant_id, idempotency_key),
    KEY tasks_by_tenant_time (tenant_id, created_at, id),
    KEY tasks_by_tenant_status (tenant_id, status, created_at, id),
    KEY tasks_by_tenant_priority (tenant_id, priority, created_at, id),
    KEY tasks_to_pick (kind, status, priority DESC, id),
    KEY tasks_by_heartbeat (status, heartbeat_at),
    KEY tasks_by_deadline (status, deadline)
);

CREATE TABLE IF NOT EXISTS task_steps (
    task_id VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    step_key VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    level VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    label VARCHAR(200) NOT NULL,
    status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    attempt INT NOT NULL,
    units INT NOT NULL DEFAULT 0,
    output JSON,
    error_code VARCHAR(64),
    error_message VARCHAR(2000),
    created_at DATETIME(6) NOT NULL,
    finished_at DATETIME(6),
    PRIMARY KEY (task_id, step_key),
    KEY steps_by_level (task_id, level, status),
    CONSTRAINT steps_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS task_events (
    id BIGINT NOT NULL AUTO_INCREMENT,
    task_id VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    attempt INT NOT NULL,
    event VARCHAR(32) NOT NULL,
    status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    detail JSON,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    KEY events_of_task (task_id, id),
    CONSTRAINT events_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS lanes (
    kind VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    max_concurrent INT NOT NULL,
    max_queued INT NOT NULL,
    paused BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (kind)
);
