-- Videos from the first thousand to the last: every second one is the tenant's, other tenants share the rest.
INSERT INTO tasks (
    task_id, tenant_id, user_id, kind, title, params, status, priority, progress, steps_done, statistics, result, attempt,
    max_retries, run_after, request_digest, created_at, started_at, updated_at, finished_at
)
SELECT
    CONCAT('bench-', LPAD(number, 8, '0')),
    IF(number %% 2 = 0, %(tenant)s, CONCAT('other-', number %% 100)),
    'ada',
    'video_generation',
    CONCAT('Video: tides ', number),
    JSON_OBJECT('topic', CONCAT('tides ', REPEAT('and more ', 40)), 'seconds', 30, 'style', 'ink', 'language', 'en'),
    ELT(1 + number DIV 2 %% 4, 'SUCCEEDED', 'SUCCEEDED', 'FAILED', 'CANCELLED'),
    1, 100, 20,
    '{"items_planned": 20, "items_done": 20, "items_failed": 0, "cost": "18.84", "tokens": 4000}',
    '{"seconds": 30.0, "bytes": 9000000, "scenes": 6, "version": 1, "missing": [], "cost": "18.84"}',
    1, 3, '2026-11-01', REPEAT('0', 64),
    TIMESTAMPADD(SECOND, number, '2026-11-01'),
    TIMESTAMPADD(SECOND, number, '2026-11-01'),
    TIMESTAMPADD(SECOND, number + 60, '2026-11-01'),
    TIMESTAMPADD(SECOND, number + 60, '2026-11-01')
FROM (
    SELECT thousands.n * 1000 + units.n AS number
    FROM bench_numbers AS thousands CROSS JOIN bench_numbers AS units
    WHERE thousands.n BETWEEN %(first)s AND %(last)s
) AS numbers;
INSERT INTO scripts (task_id, version, content, created_at)
SELECT
    CONCAT('bench-', LPAD(n, 8, '0')), 1, JSON_OBJECT('title', 'Tides', 'summary', REPEAT('It rises. ', 20)), '2026-11-01'
FROM bench_numbers;
INSERT INTO storyboards (task_id, sequence_number, version, content, created_at)
SELECT
    CONCAT('bench-', LPAD(tasks.n, 8, '0')), 1 + scenes.n, 1,
    JSON_OBJECT('title', 'Scene', 'narration', REPEAT('It rises. ', 8), 'prompt', REPEAT('a harbour ', 20)), '2026-11-01'
FROM bench_numbers AS tasks CROSS JOIN bench_numbers AS scenes
WHERE scenes.n < 6;
INSERT INTO resources (
    task_id, sequence_number, kind, version, object_key, content_type, bytes, seconds, width, height, made_by, created_at
)
SELECT
    CONCAT('bench-', LPAD(tasks.n, 8, '0')), scenes.n, kinds.kind, 1, CONCAT('bench/', tasks.n, '/', scenes.n, '/', kinds.kind),
    'video/mp4', 1000000, 5, 1280, 720, CONCAT('bench-', LPAD(tasks.n, 8, '0')), '2026-11-01'
FROM bench_numbers AS tasks
CROSS JOIN bench_numbers AS scenes
JOIN (SELECT 'frame' AS kind UNION ALL SELECT 'clip' UNION ALL SELECT 'thumbnail' UNION ALL SELECT 'film') AS kinds
    ON (scenes.n > 0) = (kinds.kind IN ('frame', 'clip'))
WHERE scenes.n <= 6;
INSERT INTO conversations (id, conversation_id, tenant_id, user_id, title, brief, messages, created_at, updated_at)
SELECT 1 + n, CONCAT('conv_', LPAD(n, 32, '0')), 'bench', 'ada', 'tides', '{}', 40, '2026-11-01', '2026-11-01'
FROM bench_numbers;
INSERT INTO messages (conversation, position, author, content, created_at)
SELECT 1 + conversations.n, 1 + said.n, 'user', REPEAT('About tides. ', 10), '2026-11-01'
FROM bench_numbers AS conversations CROSS JOIN bench_numbers AS said
WHERE said.n < 40;
ANALYZE TABLE tasks;
