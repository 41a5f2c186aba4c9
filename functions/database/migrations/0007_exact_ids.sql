-- Ids compare byte by byte. In `utf8mb4_bin` trailing spaces do not count ('local ' = 'local'), and the servers have no common
-- collation in which they do: MySQL 8 has utf8mb4_0900_bin, MariaDB utf8mb4_nopad_bin, the embedded engine neither.
-- VARBINARY is the same on all three. It holds UTF-8, so a size is four times the characters; connections.py reads it as
-- text. A column that refers to one of these is VARBINARY too, or a foreign key is refused and a join loses its index.
--
-- Not changed: names of ours (kind, status, level), keys that we make (step_key, cell_key, digests).
-- The foreign keys go first and come back last, so that the whole may run again after it was killed.

ALTER TABLE task_steps DROP FOREIGN KEY steps_of_task;
ALTER TABLE task_events DROP FOREIGN KEY events_of_task;
ALTER TABLE call_campaigns DROP FOREIGN KEY campaign_of_task;
ALTER TABLE call_counts DROP FOREIGN KEY counts_of_task;
ALTER TABLE call_blocks DROP FOREIGN KEY blocks_of_task;
ALTER TABLE diagnoses DROP FOREIGN KEY diagnosis_of_task;
ALTER TABLE diagnosis_cells DROP FOREIGN KEY cells_of_task;
ALTER TABLE role_versions DROP FOREIGN KEY versions_of_role;

-- OpenID Connect allows a subject 255 characters.
ALTER TABLE tasks
    MODIFY task_id VARBINARY(384) NOT NULL,
    MODIFY tenant_id VARBINARY(256) NOT NULL,
    MODIFY user_id VARBINARY(1020) NOT NULL,
    MODIFY idempotency_key VARBINARY(255);
ALTER TABLE task_steps MODIFY task_id VARBINARY(384) NOT NULL;
ALTER TABLE task_events MODIFY task_id VARBINARY(384) NOT NULL;
ALTER TABLE lane_tenants MODIFY tenant_id VARBINARY(256) NOT NULL;

ALTER TABLE hospitals
    MODIFY added_by VARBINARY(384) NOT NULL,
    MODIFY changed_by VARBINARY(384),
    MODIFY gone_by VARBINARY(384);

-- Production's tables may have another character set, whose bytes are not UTF-8, and longer ids than ours.
ALTER TABLE leads_task_list
    MODIFY task_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    MODIFY leads_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    MODIFY call_job_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    MODIFY call_task_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
ALTER TABLE leads_task_list
    MODIFY task_id VARBINARY(1020) NOT NULL,
    MODIFY leads_id VARBINARY(1020) NOT NULL,
    MODIFY call_job_id VARBINARY(1020),
    MODIFY call_task_id VARBINARY(1020),
    MODIFY tenant_id VARBINARY(256) NOT NULL DEFAULT '';
ALTER TABLE dcc_leads_follow MODIFY leads_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL;
ALTER TABLE dcc_leads_follow
    MODIFY leads_id VARBINARY(1020) NOT NULL,
    MODIFY tenant_id VARBINARY(256) NOT NULL DEFAULT '';

ALTER TABLE call_campaigns
    MODIFY task_id VARBINARY(384) NOT NULL,
    MODIFY tenant_id VARBINARY(256) NOT NULL,
    MODIFY job_group_id VARBINARY(256);
ALTER TABLE call_counts MODIFY task_id VARBINARY(384) NOT NULL;
ALTER TABLE call_blocks MODIFY task_id VARBINARY(384) NOT NULL;

ALTER TABLE role_base_info MODIFY tenant_id VARBINARY(256) NOT NULL, MODIFY task_id VARBINARY(256) NOT NULL;
ALTER TABLE role_talk_styles MODIFY tenant_id VARBINARY(256) NOT NULL, MODIFY task_id VARBINARY(256) NOT NULL;
ALTER TABLE role_knowledge MODIFY tenant_id VARBINARY(256) NOT NULL, MODIFY task_id VARBINARY(256) NOT NULL;
ALTER TABLE role_products MODIFY tenant_id VARBINARY(256) NOT NULL, MODIFY task_id VARBINARY(256) NOT NULL;
ALTER TABLE roles
    MODIFY role_id VARBINARY(160) NOT NULL,
    MODIFY tenant_id VARBINARY(256) NOT NULL,
    MODIFY task_id VARBINARY(256) NOT NULL,
    MODIFY strategy_id VARBINARY(256) NOT NULL;
ALTER TABLE role_versions
    MODIFY role_id VARBINARY(160) NOT NULL,
    MODIFY made_by VARBINARY(384) NOT NULL;

ALTER TABLE diagnoses MODIFY task_id VARBINARY(384) NOT NULL;
ALTER TABLE diagnosis_cells
    MODIFY task_id VARBINARY(384) NOT NULL,
    MODIFY asked_by VARBINARY(384) NOT NULL;

ALTER TABLE task_steps
    ADD CONSTRAINT steps_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE;
ALTER TABLE task_events
    ADD CONSTRAINT events_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE;
ALTER TABLE call_campaigns
    ADD CONSTRAINT campaign_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE;
ALTER TABLE call_counts
    ADD CONSTRAINT counts_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE;
ALTER TABLE call_blocks
    ADD CONSTRAINT blocks_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE;
ALTER TABLE diagnoses
    ADD CONSTRAINT diagnosis_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE;
ALTER TABLE diagnosis_cells
    ADD CONSTRAINT cells_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE;
ALTER TABLE role_versions
    ADD CONSTRAINT versions_of_role FOREIGN KEY (role_id) REFERENCES roles (role_id) ON DELETE CASCADE;
