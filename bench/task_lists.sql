-- Tasks from the first thousand to the last: every second one is the tenant's, other tenants share the rest.
INSERT INTO tasks (
    task_id, tenant_id, user_id, kind, title, params, status, priority, progress, steps_done, statistics, attempt,
    max_retries, run_after, request_digest, created_at, updated_at, error_code
)
SELECT
    CONCAT('bench-', LPAD(number, 8, '0')),
    IF(number %% 2 = 0, %(tenant)s, CONCAT('other-', number %% %(others)s)),
    'ada',
    ELT(1 + (number DIV 2) %% 3, 'hospital_province_refresh', 'hospital_full_refresh', 'call_campaign'),
    CONCAT('广东省刷新 ', number),
    '{"province": "广东省"}',
    CASE
        WHEN number %% 5000 < 4 THEN 'RUNNING'
        WHEN (number DIV 2) %% 7 = 0 THEN 'FAILED'
        WHEN (number DIV 2) %% 7 = 1 THEN 'CANCELLED'
        WHEN (number DIV 2) %% 101 = 0 THEN 'PENDING'
        ELSE 'SUCCEEDED'
    END,
    (number DIV 14) %% 4,
    IF((number DIV 2) %% 7 < 2, (number DIV 14) %% 100, 100),
    10,
    '{"hospitals_found": 1204, "cities_processed": 21, "districts_processed": 122, "provinces_processed": 1}',
    1,
    3,
    '2026-11-01',
    REPEAT('0', 64),
    TIMESTAMPADD(SECOND, number, '2026-11-01'),
    TIMESTAMPADD(SECOND, number * 7919 %% 200000, '2026-11-01'),
    IF(number %% 5000 >= 4 AND (number DIV 2) %% 7 = 0,
        IF((number DIV 14) %% 500 = 0, 'bad_answer', 'deadline_exceeded'), NULL)
FROM (
    SELECT thousands.n * 1000 + units.n AS number
    FROM bench_numbers AS thousands CROSS JOIN bench_numbers AS units
    WHERE thousands.n BETWEEN %(first)s AND %(last)s
) AS numbers;
INSERT INTO task_steps (task_id, step_key, level, label, status, attempt, units, created_at)
SELECT
    'bench-00000000', CONCAT('district/', 440000 + n), IF(n % 10 = 0, 'city', 'district'), '越秀区',
    IF(n % 50 = 7, 'FAILED', 'SUCCEEDED'), 1, 10, '2026-11-01'
FROM bench_numbers;
INSERT INTO task_events (task_id, attempt, event, status, created_at)
SELECT 'bench-00000000', n, 'started', 'RUNNING', '2026-11-01' FROM bench_numbers WHERE n < 40;
ANALYZE TABLE tasks;
