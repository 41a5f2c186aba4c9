-- Latencies of routes and statements (longhaul.timing). Each execution environment reports once a minute what it has measured, a
-- row of its own. Reports are taken from there once a minute and added to hours and days, which are few rows: `span` is in
-- minutes, `start` in minutes since 1970, UTC. `tallies` is JSON, there deflated when that pays: {group: {name: {bucket:
-- number}}}. `task_totals` has the same as `task_rollups`, without their buckets: `bucket` is 0 for what took some time and
-- -1 for what took none. A figure over time reads these few rows.
CREATE TABLE IF NOT EXISTS latency_reports (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    made_at DATETIME(6) NOT NULL,
    tallies MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL
);
CREATE TABLE IF NOT EXISTS latency_rollups (
    span INT NOT NULL,
    start INT NOT NULL,
    tallies MEDIUMBLOB NOT NULL,
    PRIMARY KEY (span, start)
);
CREATE TABLE IF NOT EXISTS task_totals (
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
    KEY totals_by_age (span, start)
);
