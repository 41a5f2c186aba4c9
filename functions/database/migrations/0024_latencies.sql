-- Latencies of routes and statements (longhaul.timing). Each execution environment reports once a minute what it has measured, a
-- row of its own. Reports are taken from there once a minute and added to hours and days, which are few rows: `span` is in
-- minutes, `start` in minutes since 1970, UTC. `tallies` is JSON, there
-- deflated when that pays: {group: {name: {bucket: number}}}.
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
