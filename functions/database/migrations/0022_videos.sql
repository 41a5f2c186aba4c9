-- Videos. A video is a task; what it is made of hangs on it and goes with it. A script, a scene and a file keep each version:
-- the highest one counts. `sequence_number` is a scene's place from 1; 0 is the whole film.
CREATE TABLE IF NOT EXISTS scripts (
    task_id VARBINARY(384) NOT NULL,
    version INT NOT NULL,
    content JSON NOT NULL,
    edited_by VARBINARY(1020),
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (task_id, version),
    CONSTRAINT scripts_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS storyboards (
    task_id VARBINARY(384) NOT NULL,
    sequence_number INT NOT NULL,
    version INT NOT NULL,
    content JSON NOT NULL,
    edited_by VARBINARY(1020),
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (task_id, sequence_number, version),
    CONSTRAINT storyboards_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

-- Files in the bucket, each checked before its row was written. `made_by` is the task that made it: the video, or one that
-- made a scene anew. `seconds` is NULL for what has no duration.
CREATE TABLE IF NOT EXISTS resources (
    task_id VARBINARY(384) NOT NULL,
    sequence_number INT NOT NULL,
    kind VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    version INT NOT NULL,
    object_key VARBINARY(1024) NOT NULL,
    content_type VARCHAR(64) NOT NULL,
    bytes BIGINT NOT NULL,
    seconds DOUBLE,
    width INT,
    height INT,
    has_audio TINYINT NOT NULL DEFAULT 0,
    made_by VARBINARY(384) NOT NULL,
    cost DECIMAL(20, 10) NOT NULL DEFAULT 0,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (task_id, sequence_number, kind, version),
    CONSTRAINT resources_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

-- Which step a provider's job belongs to: a job that no step knows may be the one whose answer was lost. `ended` is set when
-- nothing is expected of it any more, so that those which a stopped task has left queued are cancelled.
CREATE TABLE IF NOT EXISTS video_jobs (
    job_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    task_id VARBINARY(384) NOT NULL,
    step_key VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    ended TINYINT NOT NULL DEFAULT 0,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (job_id),
    KEY jobs_of_step (task_id, step_key, ended),
    KEY jobs_by_end (ended, created_at),
    CONSTRAINT jobs_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

-- What a tenant's users and the agent say to each other before a video is made. `messages` counts a conversation's, and
-- `position` numbers them from 1, so that the last one is found by its key.
CREATE TABLE IF NOT EXISTS conversations (
    id BIGINT NOT NULL AUTO_INCREMENT,
    conversation_id CHAR(37) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    user_id VARBINARY(1020) NOT NULL,
    title VARCHAR(200) NOT NULL,
    brief JSON NOT NULL,
    messages INT NOT NULL DEFAULT 0,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY conversations_by_public_id (conversation_id),
    KEY conversations_of_tenant (tenant_id, id)
);
CREATE TABLE IF NOT EXISTS messages (
    conversation BIGINT NOT NULL,
    position INT NOT NULL,
    author VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    content MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (conversation, position),
    CONSTRAINT messages_of_conversation FOREIGN KEY (conversation) REFERENCES conversations (id) ON DELETE CASCADE
);
