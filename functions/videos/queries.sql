-- Every statement of videos: scripts, scenes, files and the provider's jobs. Of each, the highest version counts.

-- name: insert_script!
-- The next version; nothing is inserted when somebody else was faster, or the step that wrote it ran before.
INSERT IGNORE INTO scripts (task_id, version, content, edited_by, created_at)
VALUES (:task_id, :version, :content, :edited_by, UTC_TIMESTAMP(6));

-- name: fetch_script^
SELECT version, content, edited_by, created_at FROM scripts WHERE task_id = :task_id ORDER BY version DESC LIMIT 1;

-- name: insert_scenes!
-- [{sequence_number, version, content}, ...]; those that are there stay.
INSERT IGNORE INTO storyboards (task_id, sequence_number, version, content, edited_by, created_at)
SELECT :task_id, scene.sequence_number, scene.version, scene.content, :edited_by, UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    sequence_number INT PATH '$.sequence_number', version INT PATH '$.version', content JSON PATH '$.content'
)) AS scene;

-- name: list_scenes
SELECT storyboards.sequence_number, storyboards.version, storyboards.content, storyboards.edited_by,
    storyboards.created_at
FROM storyboards
JOIN (
    SELECT sequence_number, MAX(version) AS version FROM storyboards WHERE task_id = :task_id GROUP BY sequence_number
) AS latest
    ON latest.sequence_number = storyboards.sequence_number AND latest.version = storyboards.version
WHERE storyboards.task_id = :task_id
ORDER BY storyboards.sequence_number;

-- name: save_resource!
-- The same file again, made by a step that ran again, takes the place of the one before.
INSERT INTO resources (
    task_id, sequence_number, kind, version, object_key, content_type, bytes, seconds, width, height, has_audio, made_by,
    cost, created_at
)
VALUES (
    :task_id, :sequence_number, :kind, :version, :object_key, :content_type, :bytes, :seconds, :width, :height,
    :has_audio, :made_by, :cost, UTC_TIMESTAMP(6)
)
ON DUPLICATE KEY UPDATE
    object_key = VALUES(object_key), content_type = VALUES(content_type), bytes = VALUES(bytes),
    seconds = VALUES(seconds), width = VALUES(width), height = VALUES(height), has_audio = VALUES(has_audio),
    made_by = VALUES(made_by), cost = VALUES(cost), created_at = VALUES(created_at);

-- name: list_resources
-- Every version, the latest of each kind first.
SELECT sequence_number, kind, version, object_key, bytes, seconds, width, height, has_audio, made_by, cost, created_at
FROM resources
WHERE task_id = :task_id
ORDER BY sequence_number, kind, version DESC;

-- name: list_films
-- The files of whole films, of many videos: every version, the latest first.
SELECT task_id, kind, version, object_key, bytes, seconds, width, height, has_audio, made_by, cost, created_at
FROM resources
WHERE task_id IN :task_ids AND sequence_number = 0
ORDER BY task_id, kind, version DESC;

-- name: claim_job!
INSERT IGNORE INTO video_jobs (job_id, task_id, step_key, created_at)
VALUES (:job_id, :task_id, :step_key, UTC_TIMESTAMP(6));

-- name: end_job!
-- `ended` is 0 (open), 1 (settled) or 2 (abandoned: a retry of its task may still settle it).
UPDATE video_jobs SET ended = 1 WHERE job_id = :job_id AND ended <> 1;

-- name: abandon_job!
UPDATE video_jobs SET ended = 2 WHERE job_id = :job_id AND ended = 0;

-- name: fetch_open_job$
-- The job of this step that is not settled: of a worker that died before its step remembered it.
SELECT job_id FROM video_jobs WHERE task_id = :task_id AND step_key = :step_key AND ended <> 1 LIMIT 1;

-- name: take_over_create!
-- The step's own create is begun anew; another's is over after so many seconds, as no search for its job finds a later one.
UPDATE video_creates SET task_id = :task_id, step_key = :step_key, created_at = UTC_TIMESTAMP(6)
WHERE fingerprint = :fingerprint
  AND (task_id = :task_id AND step_key = :step_key OR created_at < UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND);

-- name: begin_create!
INSERT IGNORE INTO video_creates (fingerprint, task_id, step_key, created_at)
VALUES (:fingerprint, :task_id, :step_key, UTC_TIMESTAMP(6));

-- name: end_create!
DELETE FROM video_creates WHERE fingerprint = :fingerprint AND task_id = :task_id AND step_key = :step_key;

-- name: list_known_jobs
SELECT job_id FROM video_jobs WHERE job_id IN :job_ids;

-- name: list_abandoned_jobs
-- Jobs of tasks that have ended, from which nobody expects anything.
SELECT video_jobs.job_id
FROM video_jobs
JOIN tasks ON tasks.task_id = video_jobs.task_id
WHERE video_jobs.ended = 0 AND tasks.status IN ('CANCELLED', 'FAILED', 'SUCCEEDED')
ORDER BY video_jobs.created_at
LIMIT :limit;

-- name: list_videos_there
-- Which of these tasks there are, whoever's they are: a purged one has no tenant, and its files are nobody's.
SELECT task_id FROM tasks WHERE task_id IN :task_ids;

-- ---------------------------------------------------------------- conversations

-- name: insert_conversation!
INSERT INTO conversations (conversation_id, tenant_id, user_id, title, brief, messages, created_at, updated_at)
VALUES (:conversation_id, :tenant_id, :user_id, :title, '{}', 0, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6));

-- name: list_conversations
-- The newest first, each with its last message and their number, in one statement: `messages` is the last one's position.
SELECT
    conversations.id, conversations.conversation_id, conversations.user_id, conversations.title, conversations.brief,
    conversations.messages, conversations.created_at, conversations.updated_at, messages.position, messages.author,
    messages.content, messages.created_at AS said_at
FROM conversations
LEFT JOIN messages ON messages.conversation = conversations.id AND messages.position = conversations.messages
WHERE conversations.tenant_id = :tenant_id AND conversations.id < :before_id
ORDER BY conversations.id DESC
LIMIT :limit;

-- name: fetch_conversation^
SELECT
    conversations.id, conversations.conversation_id, conversations.user_id, conversations.title, conversations.brief,
    conversations.messages, conversations.created_at, conversations.updated_at, messages.position, messages.author,
    messages.content, messages.created_at AS said_at
FROM conversations
LEFT JOIN messages ON messages.conversation = conversations.id AND messages.position = conversations.messages
WHERE conversations.conversation_id = :conversation_id AND conversations.tenant_id = :tenant_id;

-- name: lock_conversation^
SELECT id, messages FROM conversations
WHERE conversation_id = :conversation_id AND tenant_id = :tenant_id
FOR UPDATE;

-- name: count_message!
-- One message more, unless another came since so many were read.
UPDATE conversations
SET messages = messages + 1, brief = COALESCE(:brief, brief), title = COALESCE(:title, title),
    updated_at = UTC_TIMESTAMP(6)
WHERE id = :id AND messages = :seen;

-- name: insert_message!
INSERT INTO messages (conversation, position, author, content, created_at)
VALUES (:id, :position, :author, :content, UTC_TIMESTAMP(6));

-- name: list_messages
-- Whose conversation it is and its messages after a position, in one statement: one without such messages gives one row.
SELECT
    conversations.conversation_id, messages.position, messages.author, messages.content, messages.created_at AS said_at
FROM conversations
LEFT JOIN messages ON messages.conversation = conversations.id AND messages.position > :after
WHERE conversations.conversation_id = :conversation_id AND conversations.tenant_id = :tenant_id
ORDER BY messages.position
LIMIT :limit;
