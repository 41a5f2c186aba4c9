-- The lock of a migration: a row of yoyo's table of locks that a transaction holds while it migrates, beside the
-- migration's own connection, whose every DDL statement commits. (yoyo's own row is 1.)

-- name: count_locks$
SELECT COUNT(*) FROM yoyo_lock WHERE locked = 2;

-- name: make_lock!
INSERT IGNORE INTO yoyo_lock (locked, ctime, pid) VALUES (2, UTC_TIMESTAMP(), 0);

-- name: take_lock$
-- NULL when another transaction holds it.
SELECT locked FROM yoyo_lock WHERE locked = 2 FOR UPDATE SKIP LOCKED;
