-- Roll-ups: what happened to tasks, counted when it happens, so that no figure of a window reads the tasks. A transition adds
-- to a row of `task_counts` that only its own connection writes, so that no two wait for each other. Once a minute these rows
-- are taken from there and added to `task_rollups`: to the minute, the hour, the day and the eight days, of their tenant and
-- of all (''). `span` is in minutes, and `start` in minutes since 1970, UTC. `bucket` says how long it took (longhaul.tasks.figures).
CREATE TABLE IF NOT EXISTS task_counts (
    tenant_id VARBINARY(256) NOT NULL,
    kind VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    minute INT NOT NULL,
    event VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    bucket SMALLINT NOT NULL,
    writer BIGINT UNSIGNED NOT NULL,
    number BIGINT NOT NULL,
    microseconds BIGINT NOT NULL,
    shortest BIGINT,
    longest BIGINT,
    units BIGINT NOT NULL,
    best DOUBLE NOT NULL,
    PRIMARY KEY (tenant_id, kind, minute, event, bucket, writer),
    KEY counts_by_minute (minute)
);
CREATE TABLE IF NOT EXISTS task_rollups (
    tenant_id VARBINARY(256) NOT NULL,
    span INT NOT NULL,
    start INT NOT NULL,
    kind VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    event VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    bucket SMALLINT NOT NULL,
    number BIGINT NOT NULL,
    microseconds BIGINT NOT NULL,
    shortest BIGINT,
    longest BIGINT,
    units BIGINT NOT NULL,
    best DOUBLE NOT NULL,
    PRIMARY KEY (tenant_id, span, start, kind, event, bucket),
    KEY rollups_by_age (span, start)
);
