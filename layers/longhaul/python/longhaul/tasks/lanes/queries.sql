-- Every statement of lanes. A lane's tenants take turns (start-time fair queueing, Goyal et al. 1996): `lanes.turn` is the
-- lane's virtual time, `lane_tenants.turn` where the tenant's next task stands in it. A tenant that was away stands at the
-- lane's present time: it has no credit. Each of its waiting tasks stands 1/weight behind the one before. (1e0: as DOUBLE;
-- the quotient of two integers is a DECIMAL of four digits.)

-- name: create_lane!
-- A lane that is there keeps its limits: they may have been changed by hand.
INSERT IGNORE INTO lanes (kind, max_concurrent, max_queued) VALUES (:kind, :max_concurrent, :max_queued);

-- name: lock_lane^
SELECT kind, max_concurrent, paused, turn FROM lanes WHERE kind = :kind FOR UPDATE;

-- name: count_running$
-- Not a part of lock_lane: there it would count before it waits for the lock.
SELECT COUNT(*) FROM tasks WHERE kind = :kind AND status = 'RUNNING';

-- name: rank_waiting
-- The tasks that may start now, the next one first. The order is that of `find_position`, and a test holds them together.
SELECT ranked.id, ranked.tenant_id, ranked.weight, ranked.tag
FROM (
    SELECT waiting.id, waiting.priority, waiting.tenant_id, COALESCE(lane_tenants.weight, 1) AS weight,
        GREATEST(lanes.turn, COALESCE(lane_tenants.turn, 0))
            + (waiting.place - 1e0) / COALESCE(lane_tenants.weight, 1) AS tag
    FROM (
        SELECT id, priority, tenant_id, ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY priority DESC, id) AS place
        FROM tasks
        WHERE kind = :kind AND status = 'PENDING' AND run_after <= UTC_TIMESTAMP(6)
          AND (deadline IS NULL OR deadline > UTC_TIMESTAMP(6))
    ) AS waiting
    JOIN lanes ON lanes.kind = :kind
    LEFT JOIN lane_tenants ON lane_tenants.kind = :kind AND lane_tenants.tenant_id = waiting.tenant_id
) AS ranked
ORDER BY ranked.priority DESC, ranked.tag, ranked.id
LIMIT :limit;

-- name: lock_waiting
-- Those that are still waiting: a caller may have cancelled one since it was ranked, or be about to.
SELECT * FROM tasks WHERE id IN :ids AND status = 'PENDING' FOR UPDATE;

-- name: advance_lane!
-- Never back: the more urgent may have been started from further behind.
UPDATE lanes SET turn = GREATEST(turn, :turn) WHERE kind = :kind;

-- name: advance_tenants!
-- [[tenant_id, turn], ...]
INSERT INTO lane_tenants (kind, tenant_id, turn)
SELECT :kind, said.tenant_id, said.turn
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (tenant_id VARCHAR(64) PATH '$[0]', turn DOUBLE PATH '$[1]')) AS said
ON DUPLICATE KEY UPDATE turn = VALUES(turn);

-- name: find_position$
-- How many tasks will have started when this one has, if no other comes.
SELECT ranked.place
FROM (
    SELECT queued.id, ROW_NUMBER() OVER (ORDER BY queued.priority DESC, queued.tag, queued.id) AS place
    FROM (
        SELECT waiting.id, waiting.priority,
            GREATEST(lanes.turn, COALESCE(lane_tenants.turn, 0))
                + (waiting.place - 1e0) / COALESCE(lane_tenants.weight, 1) AS tag
        FROM (
            SELECT id, priority, tenant_id,
                ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY priority DESC, id) AS place
            FROM tasks
            WHERE kind = :kind AND status = 'PENDING' AND run_after <= UTC_TIMESTAMP(6)
              AND (deadline IS NULL OR deadline > UTC_TIMESTAMP(6))
        ) AS waiting
        JOIN lanes ON lanes.kind = :kind
        LEFT JOIN lane_tenants ON lane_tenants.kind = :kind AND lane_tenants.tenant_id = waiting.tenant_id
    ) AS queued
) AS ranked
WHERE ranked.id = :id;

-- name: list_lanes
SELECT kind, max_concurrent, max_queued, paused FROM lanes WHERE kind IN :kinds ORDER BY kind;

-- name: count_lanes
-- How many of a kind wait or run, how many of them are this tenant's, and since when the first that waits could start.
SELECT
    kind, status, COUNT(*) AS number, SUM(tenant_id = :tenant_id) AS yours,
    MIN(IF(run_after <= UTC_TIMESTAMP(6), run_after, NULL)) AS oldest_at,
    TIMESTAMPDIFF(
        SECOND, MIN(IF(run_after <= UTC_TIMESTAMP(6), run_after, NULL)), UTC_TIMESTAMP(6)
    ) AS oldest_seconds
FROM tasks
WHERE kind IN :kinds AND status IN ('PENDING', 'RUNNING')
GROUP BY kind, status;

-- name: list_weights
-- Those that somebody gave: of a tenant that has none it is 1.
SELECT kind, tenant_id, weight FROM lane_tenants WHERE kind IN :kinds AND weight <> 1 ORDER BY kind, tenant_id;

-- name: limit_lane!
-- What is NULL stays as it is.
UPDATE lanes
SET max_concurrent = COALESCE(:max_concurrent, max_concurrent),
    max_queued = COALESCE(:max_queued, max_queued),
    paused = COALESCE(:paused, paused)
WHERE kind = :kind;

-- name: weigh_tenants!
-- [[tenant_id, weight], ...], if there is the lane.
INSERT INTO lane_tenants (kind, tenant_id, weight)
SELECT lanes.kind, said.tenant_id, said.weight
FROM lanes
JOIN JSON_TABLE(:rows, '$[*]' COLUMNS (tenant_id VARCHAR(64) PATH '$[0]', weight INT PATH '$[1]')) AS said
WHERE lanes.kind = :kind
ON DUPLICATE KEY UPDATE weight = VALUES(weight);
