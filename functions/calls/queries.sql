-- Every statement of calls. A writer of a campaign's jobs, counters or blocks locks the campaign's row first
-- (lock_campaign). So the counters always equal the rows, and no two writers deadlock.

-- name: fetch_page_head^
-- The head of a page: the task, its counters, and when the oldest of the page's blocks was synced.
SELECT
    tasks.task_id, tasks.kind, tasks.status, campaign.assigned,
    COALESCE(campaign.leads, JSON_LENGTH(tasks.params, '$.leads')) AS leads,
    (SELECT JSON_OBJECTAGG(name, number) FROM call_counts WHERE task_id = :task_id) AS counts,
    (
        SELECT MIN(synced_at) FROM call_blocks WHERE task_id = :task_id AND block BETWEEN :first_block AND :last_block
    ) AS synced_at
FROM tasks
LEFT JOIN call_campaigns AS campaign ON campaign.task_id = tasks.task_id
WHERE tasks.task_id = :task_id AND tasks.tenant_id = :tenant_id;

-- name: list_page
-- A page is a range of ordinals, so its cost depends on its own size alone.
SELECT
    leads.job_seq, leads.leads_id, leads.name, leads.phone, leads.call_job_id, leads.call_status, leads.call_result,
    leads.planed_time, leads.actual_time, leads.duration_ms, leads.call_task_id, leads.call_conversation,
    leads.calling_number, leads.recording_url, leads.recording_state, leads.is_interested, leads.leads_follow_id,
    follow.follow_time, follow.leads_remark, follow.frist_follow_time, follow.new_follow_time, follow.next_follow_time,
    follow.is_arrive, follow.frist_arrive_time
FROM leads_task_list AS leads
LEFT JOIN dcc_leads_follow AS follow ON follow.id = leads.leads_follow_id
WHERE leads.task_id = :task_id AND leads.job_seq BETWEEN :first_seq AND :last_seq
ORDER BY leads.job_seq;

-- name: create_campaign!
INSERT IGNORE INTO call_campaigns (task_id, tenant_id, open, created_at)
SELECT task_id, tenant_id, :open, UTC_TIMESTAMP(6) FROM tasks WHERE task_id = :task_id;

-- name: lock_campaign^
-- The task's row is read, not locked: a lock in the outer statement leaves a subquery's rows alone.
SELECT
    call_campaigns.*,
    (SELECT status FROM tasks WHERE tasks.task_id = call_campaigns.task_id) AS task_status,
    (SELECT attempt FROM tasks WHERE tasks.task_id = call_campaigns.task_id) AS attempt,
    (SELECT JSON_OBJECTAGG(name, number) FROM call_counts WHERE task_id = :task_id) AS counts,
    COALESCE(assigning_until > UTC_TIMESTAMP(6), 0) AS assigning
FROM call_campaigns
WHERE task_id = :task_id
FOR UPDATE;

-- name: fetch_counts^
SELECT leads, (SELECT JSON_OBJECTAGG(name, number) FROM call_counts WHERE task_id = :task_id) AS counts
FROM call_campaigns
WHERE task_id = :task_id;

-- name: list_campaigns
-- The campaigns whose jobs at the provider may still need steering, oldest first.
SELECT
    call_campaigns.*, tasks.status AS task_status, tasks.attempt,
    (SELECT JSON_OBJECTAGG(name, number) FROM call_counts WHERE call_counts.task_id = tasks.task_id) AS counts,
    0 AS assigning
FROM call_campaigns
JOIN tasks ON tasks.task_id = call_campaigns.task_id
WHERE call_campaigns.provider_state IN ('running', 'suspended', 'changing', 'outdated', 'closing')
ORDER BY call_campaigns.created_at
LIMIT :limit;

-- name: list_unopened
-- Running tasks whose first message was lost.
SELECT tasks.task_id, tasks.attempt
FROM tasks
LEFT JOIN call_campaigns ON call_campaigns.task_id = tasks.task_id
WHERE tasks.kind = :kind AND tasks.status = 'RUNNING' AND call_campaigns.task_id IS NULL
LIMIT :limit;

-- name: find_leads
-- The campaign's leads that have one of these ids or one of these numbers.
SELECT leads_id, phone FROM leads_task_list WHERE task_id = :task_id AND leads_id IN :leads_ids
UNION
SELECT leads_id, phone FROM leads_task_list WHERE task_id = :task_id AND phone IN :phones;

-- name: insert_leads!
-- [[leads_id, phone, name, extras], ...]
INSERT INTO leads_task_list (task_id, tenant_id, leads_id, phone, name, extras)
SELECT :task_id, :tenant_id, input.leads_id, input.phone, input.name, input.extras
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    leads_id VARCHAR(64) PATH '$[0]', phone VARCHAR(20) PATH '$[1]', name VARCHAR(50) PATH '$[2]',
    extras VARCHAR(4000) PATH '$[3]'
)) AS input;

-- name: count_leads_in!
UPDATE call_campaigns SET leads = leads + :added, open = :open WHERE task_id = :task_id;

-- name: list_waiting_leads
-- The next leads for the provider: those without an ordinal, in the order in which they were added.
SELECT id, leads_id, phone, name, extras
FROM leads_task_list
WHERE task_id = :task_id AND job_seq IS NULL
ORDER BY id
LIMIT :limit;

-- name: list_leads_between
SELECT id, leads_id, phone, name, extras
FROM leads_task_list
WHERE task_id = :task_id AND job_seq IS NULL AND id BETWEEN :first_id AND :last_id
ORDER BY id;

-- name: start_assigning!
UPDATE call_campaigns
SET assigning_first = :first_id, assigning_last = :last_id,
    assigning_until = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6))
WHERE task_id = :task_id;

-- name: release_assigning!
UPDATE call_campaigns SET assigning_until = NULL WHERE task_id = :task_id;

-- name: save_group!
UPDATE call_campaigns SET job_group_id = :job_group_id WHERE task_id = :task_id AND job_group_id IS NULL;

-- name: save_jobs!
-- [[id, call_job_id, job_seq], ...]
UPDATE leads_task_list
JOIN JSON_TABLE(:rows, '$[*]' COLUMNS (
    id BIGINT PATH '$[0]', call_job_id VARCHAR(64) PATH '$[1]', job_seq INT PATH '$[2]'
)) AS input ON input.id = leads_task_list.id
SET leads_task_list.call_job_id = input.call_job_id,
    leads_task_list.job_seq = input.job_seq,
    leads_task_list.call_status = 'Scheduling'
WHERE leads_task_list.task_id = :task_id AND leads_task_list.job_seq IS NULL;

-- name: finish_assigning!
-- The jobs of a task that stopped while its leads were handed over must be steered again.
UPDATE call_campaigns
SET provider_state = IF(:assigned > 0 AND :stopped, 'outdated', provider_state),
    assigned = assigned + :assigned, assigning_first = NULL, assigning_last = NULL, assigning_until = NULL
WHERE task_id = :task_id;

-- name: add_to_blocks!
-- [[block, open_jobs], ...]. A block with a new job is due at once.
INSERT INTO call_blocks (task_id, block, open_jobs, due_at, synced_at)
SELECT :task_id, input.block, input.open_jobs, UTC_TIMESTAMP(6), '1970-01-01'
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (block INT PATH '$[0]', open_jobs INT PATH '$[1]')) AS input
ON DUPLICATE KEY UPDATE
    open_jobs = call_blocks.open_jobs + VALUES(open_jobs), due_at = COALESCE(call_blocks.due_at, VALUES(due_at));

-- name: add_to_counts!
-- [[name, difference], ...]
INSERT INTO call_counts (task_id, name, number)
SELECT :task_id, input.name, input.number
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (name VARCHAR(32) PATH '$[0]', number BIGINT PATH '$[1]')) AS input
ON DUPLICATE KEY UPDATE number = call_counts.number + VALUES(number);

-- name: claim_block!
-- The worker that changes the row may ask the provider. No other may until the block is due again.
UPDATE call_blocks
SET due_at = TIMESTAMPADD(MICROSECOND, :microseconds, UTC_TIMESTAMP(6))
WHERE task_id = :task_id AND block = :block AND due_at <= UTC_TIMESTAMP(6);

-- name: list_due_blocks
SELECT task_id, block FROM call_blocks WHERE due_at <= UTC_TIMESTAMP(6) ORDER BY due_at LIMIT :limit;

-- name: list_open_jobs
SELECT id, leads_id, job_seq, call_job_id, call_status
FROM leads_task_list
WHERE task_id = :task_id AND job_seq BETWEEN :first_seq AND :last_seq
  AND call_status IN ('Scheduling', 'Executing', 'Paused', 'Drafted')
ORDER BY job_seq;

-- name: update_jobs!
-- [[id, call_status, call_result, planed_time, actual_time, duration_ms, call_task_id, call_conversation,
-- calling_number], ...]. Final rows stay as they are.
UPDATE leads_task_list
JOIN JSON_TABLE(:rows, '$[*]' COLUMNS (
    id BIGINT PATH '$[0]', call_status VARCHAR(32) PATH '$[1]', call_result VARCHAR(64) PATH '$[2]',
    planed_time VARCHAR(26) PATH '$[3]', actual_time VARCHAR(26) PATH '$[4]', duration_ms INT PATH '$[5]',
    call_task_id VARCHAR(64) PATH '$[6]', call_conversation MEDIUMTEXT PATH '$[7]', calling_number VARCHAR(32) PATH '$[8]'
)) AS input ON input.id = leads_task_list.id
SET leads_task_list.call_status = input.call_status,
    leads_task_list.call_result = input.call_result,
    leads_task_list.planed_time = input.planed_time,
    leads_task_list.actual_time = input.actual_time,
    leads_task_list.duration_ms = input.duration_ms,
    leads_task_list.call_task_id = input.call_task_id,
    leads_task_list.call_conversation = input.call_conversation,
    leads_task_list.calling_number = input.calling_number
WHERE leads_task_list.task_id = :task_id
  AND leads_task_list.call_status IN ('Scheduling', 'Executing', 'Paused', 'Drafted');

-- name: finish_sync!
UPDATE call_blocks
SET due_at = IF(open_jobs <= :ended, NULL, due_at), open_jobs = open_jobs - :ended, synced_at = UTC_TIMESTAMP(6)
WHERE task_id = :task_id AND block = :block;

-- name: save_attempts!
-- Calls without a conversation as [[leads_id, follow_time, leads_remark], ...]. A lead has one row. Its first times stay,
-- and so do the remark and the agreements of an earlier conversation.
INSERT INTO dcc_leads_follow (
    tenant_id, leads_id, follow_time, leads_remark, frist_follow_time, new_follow_time, is_arrive
)
SELECT :tenant_id, input.leads_id, input.follow_time, input.leads_remark, input.follow_time, input.follow_time, 0
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    leads_id VARCHAR(64) PATH '$[0]', follow_time VARCHAR(26) PATH '$[1]', leads_remark VARCHAR(1000) PATH '$[2]'
)) AS input
ON DUPLICATE KEY UPDATE follow_time = VALUES(follow_time), new_follow_time = VALUES(new_follow_time);

-- name: save_follow_up!
-- The follow-up of a conversation.
INSERT INTO dcc_leads_follow (
    tenant_id, leads_id, follow_time, leads_remark, frist_follow_time, new_follow_time, next_follow_time, is_arrive,
    frist_arrive_time
)
VALUES (
    :tenant_id, :leads_id, :follow_time, :leads_remark, :follow_time, :follow_time, :next_follow_time, :is_arrive,
    IF(:is_arrive, :follow_time, NULL)
)
ON DUPLICATE KEY UPDATE
    follow_time = VALUES(follow_time),
    leads_remark = VALUES(leads_remark),
    new_follow_time = VALUES(new_follow_time),
    next_follow_time = COALESCE(VALUES(next_follow_time), dcc_leads_follow.next_follow_time),
    is_arrive = GREATEST(COALESCE(dcc_leads_follow.is_arrive, 0), VALUES(is_arrive)),
    frist_arrive_time = COALESCE(dcc_leads_follow.frist_arrive_time, VALUES(frist_arrive_time));

-- name: link_follow_ups!
UPDATE leads_task_list
JOIN dcc_leads_follow
    ON dcc_leads_follow.tenant_id = :tenant_id AND dcc_leads_follow.leads_id = leads_task_list.leads_id
SET leads_task_list.leads_follow_id = dcc_leads_follow.id
WHERE leads_task_list.task_id = :task_id
  AND leads_task_list.leads_id IN :leads_ids
  AND leads_task_list.leads_follow_id IS NULL;

-- name: claim_conversation!
-- One worker analyses a conversation. Another may only when the first must be dead.
UPDATE leads_task_list
SET judging_at = UTC_TIMESTAMP(6)
WHERE task_id = :task_id AND job_seq = :job_seq AND leads_follow_id IS NULL AND call_status = 'Succeeded'
  AND (judging_at IS NULL OR judging_at < TIMESTAMPADD(SECOND, -:seconds, UTC_TIMESTAMP(6)));

-- name: release_conversation!
UPDATE leads_task_list SET judging_at = NULL
WHERE task_id = :task_id AND job_seq = :job_seq AND leads_follow_id IS NULL;

-- name: fetch_conversation^
SELECT leads_id, call_job_id, call_conversation, actual_time
FROM leads_task_list
WHERE task_id = :task_id AND job_seq = :job_seq;

-- name: save_interest!
-- The fence: a conversation that has its follow-up keeps it.
UPDATE leads_task_list SET is_interested = :is_interested, judging_at = NULL
WHERE task_id = :task_id AND job_seq = :job_seq AND leads_follow_id IS NULL;

-- name: list_unanalysed
-- Conversations without a follow-up that no worker holds.
SELECT job_seq FROM leads_task_list
WHERE task_id = :task_id AND leads_follow_id IS NULL AND call_status = 'Succeeded'
  AND (judging_at IS NULL OR judging_at < TIMESTAMPADD(SECOND, -:seconds, UTC_TIMESTAMP(6)))
ORDER BY job_seq
LIMIT :limit;

-- name: claim_recording!
-- The call was connected and its recording is not here yet. Another worker may try when the first must be dead.
UPDATE leads_task_list
SET recording_state = 'wanted', recording_at = UTC_TIMESTAMP(6)
WHERE task_id = :task_id AND job_seq = :job_seq AND call_status = 'Succeeded' AND call_task_id IS NOT NULL
  AND recording_url IS NULL AND (recording_state IS NULL OR recording_state = 'wanted')
  AND (recording_at IS NULL OR recording_at < TIMESTAMPADD(SECOND, -:seconds, UTC_TIMESTAMP(6)));

-- name: release_recording!
UPDATE leads_task_list SET recording_at = NULL
WHERE task_id = :task_id AND job_seq = :job_seq AND recording_url IS NULL;

-- name: fetch_recording^
SELECT tenant_id, call_job_id, call_task_id FROM leads_task_list WHERE task_id = :task_id AND job_seq = :job_seq;

-- name: save_recording!
-- A recording that is there stays.
UPDATE leads_task_list
SET recording_url = :recording_url, recording_state = :recording_state
WHERE task_id = :task_id AND job_seq = :job_seq AND recording_url IS NULL;

-- name: claim_steering!
UPDATE call_campaigns
SET provider_state = 'changing', steering_until = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6))
WHERE task_id = :task_id AND provider_state NOT IN ('closing', 'ended')
  AND (steering_until IS NULL OR steering_until < UTC_TIMESTAMP(6));

-- name: finish_steering!
UPDATE call_campaigns
SET provider_state = IF(provider_state = 'changing', :provider_state, provider_state), steering_until = NULL
WHERE task_id = :task_id AND provider_state IN ('changing', 'outdated');

-- name: set_state!
UPDATE call_campaigns SET provider_state = :provider_state WHERE task_id = :task_id;

-- name: delete_leads!
DELETE FROM leads_task_list WHERE task_id IN :task_ids LIMIT :limit;
