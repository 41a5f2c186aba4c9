-- What a model has answered for a district that is not finished, a row a batch, as it came: so that no batch is paid for
-- twice when its worker is killed or runs out of time. The transaction that finishes the district deletes them; those of
-- a district that failed stay for its retry, and go with their task.
CREATE TABLE IF NOT EXISTS district_batches (
    task_id VARBINARY(384) NOT NULL,
    district_code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    batch INT NOT NULL,
    answer MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (task_id, district_code, batch),
    CONSTRAINT batches_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);
