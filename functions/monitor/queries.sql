-- name: lock_latency_reports
-- Whoever is not at them still.
SELECT id, TIMESTAMPDIFF(MINUTE, '1970-01-01', made_at) AS minute, tallies
FROM latency_reports
ORDER BY id
LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: make_latency_rollup!
-- It is there then, and nobody else's to change.
INSERT INTO latency_rollups (span, start, tallies) VALUES (:span, :start, '{}')
ON DUPLICATE KEY UPDATE tallies = latency_rollups.tallies;

-- name: fetch_latency_rollup$
SELECT tallies FROM latency_rollups WHERE span = :span AND start = :start FOR UPDATE;

-- name: write_latency_rollup!
UPDATE latency_rollups SET tallies = :packed WHERE span = :span AND start = :start;

-- name: delete_latency_reports!
DELETE FROM latency_reports WHERE id IN :ids;

-- name: list_latency_rollups
SELECT tallies FROM latency_rollups WHERE span = :span AND start >= :first AND start < :last;

-- name: purge_latency_rollups!
DELETE FROM latency_rollups
WHERE span = :span AND start < TIMESTAMPDIFF(MINUTE, '1970-01-01', UTC_TIMESTAMP(6)) - :minutes
LIMIT :limit;
