-- A campaign is a row of bench_campaigns: its jobs are numbered from 1 (`seq`), and among all jobs from `first` + 1.
-- One statement fills a table: into one that is empty, unchecked, InnoDB sorts and loads all rows in bulk.

-- Indexes for the naive and the batched queries: without them each look-up would read the whole table.
ALTER TABLE leads_task_list
    ADD KEY idx_task_id_job_id (task_id, call_job_id),
    ADD KEY idx_job_id_follow (call_job_id, leads_follow_id);

-- With as many leads as one request may bring; the others came later.
INSERT INTO tasks (
    task_id, tenant_id, user_id, kind, title, params, status, priority, max_retries, run_after, request_digest,
    created_at, started_at, updated_at
)
SELECT
    task_id, tenant_id, 'ada', 'call_campaign', CONCAT('外呼：', size),
    CONCAT('{"name": "回访", "script_id": "script-1", "leads": ', (
        SELECT JSON_ARRAYAGG(JSON_OBJECT('leads_id', first + seq, 'phone', '+8613800138000', 'name', '王女士'))
        FROM seq_1_to_1000
        WHERE seq <= size
    ), '}'),
    'RUNNING', 5, 3, UTC_TIMESTAMP(6), SHA2(task_id, 256), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM bench_campaigns
ORDER BY first;

INSERT INTO call_campaigns (task_id, tenant_id, open, leads, assigned, job_group_id, created_at)
SELECT task_id, tenant_id, 0, size, size, MD5(task_id), UTC_TIMESTAMP(6)
FROM bench_campaigns
ORDER BY task_id;

INSERT INTO call_blocks (task_id, block, open_jobs, due_at, synced_at)
SELECT task_id, seq, 0, NULL, UTC_TIMESTAMP(6)
FROM bench_campaigns
JOIN seq_0_to_2100 ON seq * 99 < size
ORDER BY task_id, seq;

-- Nineteen of twenty calls have their follow-up.
INSERT INTO dcc_leads_follow (
    id, tenant_id, leads_id, follow_time, leads_remark, frist_follow_time, new_follow_time, next_follow_time, is_arrive,
    frist_arrive_time
)
SELECT STRAIGHT_JOIN
    first + seq, tenant_id, CONCAT('L-', first + seq), TIMESTAMPADD(SECOND, seq, '2026-11-24 09:00:20.250'),
    CONCAT('客户想了解周末的课程和价格，已登记第', seq, '位，请在到店前一天再次确认时间'),
    TIMESTAMPADD(SECOND, seq, '2026-11-24 09:00:20.250'), TIMESTAMPADD(SECOND, seq, '2026-11-24 09:00:20.250'),
    IF(seq % 3, TIMESTAMPADD(SECOND, seq, '2026-11-27 10:00:00.000'), NULL), seq % 7 = 0,
    IF(seq % 7, NULL, TIMESTAMPADD(SECOND, seq, '2026-11-24 09:00:20.250'))
FROM bench_campaigns
JOIN seq_1_to_200000 ON seq <= size
WHERE seq % 20;

-- Three of four calls succeeded, and of those one in five has been listened to; all have a conversation.
INSERT INTO leads_task_list (
    id, task_id, tenant_id, leads_id, phone, name, extras, job_seq, call_job_id, call_status, call_result, planed_time,
    actual_time, duration_ms, call_task_id, call_conversation, calling_number, recording_url, recording_state,
    is_interested, leads_follow_id
)
SELECT STRAIGHT_JOIN
    first + seq, task_id, tenant_id, CONCAT('L-', first + seq),
    CONCAT('+861', 3000000000 + (first + seq) * 7919 % 1000000007),
    ELT(1 + seq % 4, '王女士', '李先生', '张女士', '陈先生'), '{}', seq, MD5(first + seq),
    IF(seq % 4, 'Succeeded', 'Failed'), IF(seq % 4, 'SucceededFinish', 'NoAnswer'),
    TIMESTAMPADD(SECOND, seq, '2026-11-24 09:00:00.000'), TIMESTAMPADD(SECOND, seq, '2026-11-24 09:00:01.125'),
    15000 + seq % 90000, MD5(CONCAT('call', first + seq)), text, '02038880000',
    IF(all_recorded OR seq % 5 = 2 AND seq % 4, CONCAT('s3://recordings/bench/', MD5(first + seq), '.wav'), NULL),
    IF(all_recorded OR seq % 5 = 2 AND seq % 4, 'ready', NULL), seq % 3 = 0, IF(seq % 20, first + seq, NULL)
FROM bench_campaigns
JOIN seq_1_to_200000 ON seq <= size
JOIN bench_conversations ON number = (first + seq) % 997;

INSERT INTO call_counts (task_id, name, number)
SELECT task_id, call_status, COUNT(*) FROM leads_task_list GROUP BY task_id, call_status
UNION ALL
SELECT task_id, 'followed', COUNT(leads_follow_id) FROM leads_task_list GROUP BY task_id;

DROP TABLE bench_conversations, bench_campaigns;

ANALYZE TABLE tasks, call_campaigns, call_counts, call_blocks, dcc_leads_follow, leads_task_list;
