-- Every statement of control requests: what was carried out under an Idempotency-Key, for a day.

-- name: insert_request!
-- Nothing is inserted when the key was used before. While another transaction is inserting the same key this waits for its
-- end, so of two at once one inserts.
INSERT IGNORE INTO control_requests (request_id, request_digest, created_at)
VALUES (:request_id, :request_digest, UTC_TIMESTAMP(6));

-- name: fetch_request^
SELECT request_digest, answer FROM control_requests WHERE request_id = :request_id;

-- name: save_answer!
UPDATE control_requests SET answer = :answer WHERE request_id = :request_id;

-- name: delete_request!
DELETE FROM control_requests WHERE request_id = :request_id;

-- name: purge_requests!
DELETE FROM control_requests WHERE created_at < TIMESTAMPADD(HOUR, -:hours, UTC_TIMESTAMP(6)) LIMIT :limit;
