-- name: insert_latency_report!
-- {group: {name: {bucket: number}}}, as longhaul.timing has it.
INSERT INTO latency_reports (made_at, tallies) VALUES (UTC_TIMESTAMP(6), :tallies);
