-- Every statement of the hospital directory. A place is a range of codes: a province's districts and their hospitals lie
-- between its code and the last one with its first two digits. Nothing is deleted: what is gone has listed = 0.

-- name: list_provinces
SELECT code, name FROM provinces ORDER BY code;

-- name: fetch_province^
SELECT code, name FROM provinces WHERE code = :code;

-- name: fetch_city^
SELECT code, name FROM cities WHERE code = :code;

-- name: fetch_district^
SELECT code, name FROM districts WHERE code = :code;

-- name: list_cities
SELECT code, name FROM cities WHERE province_code = :province_code AND listed = 1 ORDER BY code;

-- name: list_districts
SELECT code, name FROM districts WHERE city_code = :city_code AND listed = 1 ORDER BY code;

-- name: save_cities!
-- A province's cities as [[code, name], ...]; those it does not name any more are not listed any more.
INSERT INTO cities (code, province_code, name, listed, updated_at)
SELECT said.code, :province_code, said.name, 1, UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (code CHAR(6) PATH '$[0]', name VARCHAR(50) PATH '$[1]')) AS said
UNION ALL
SELECT gone.code, gone.province_code, gone.name, 0, UTC_TIMESTAMP(6)
FROM cities AS gone
WHERE gone.province_code = :province_code AND gone.listed = 1 AND gone.code NOT IN :codes
ON DUPLICATE KEY UPDATE
    updated_at = IF(
        cities.name = VALUES(name) AND cities.province_code = VALUES(province_code) AND cities.listed = VALUES(listed),
        cities.updated_at, VALUES(updated_at)
    ),
    province_code = VALUES(province_code), name = VALUES(name), listed = VALUES(listed);

-- name: save_districts!
-- A city's districts, as its province's cities above.
INSERT INTO districts (code, city_code, name, listed, updated_at)
SELECT said.code, :city_code, said.name, 1, UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (code CHAR(6) PATH '$[0]', name VARCHAR(50) PATH '$[1]')) AS said
UNION ALL
SELECT gone.code, gone.city_code, gone.name, 0, UTC_TIMESTAMP(6)
FROM districts AS gone
WHERE gone.city_code = :city_code AND gone.listed = 1 AND gone.code NOT IN :codes
ON DUPLICATE KEY UPDATE
    updated_at = IF(
        districts.name = VALUES(name) AND districts.city_code = VALUES(city_code)
        AND districts.listed = VALUES(listed),
        districts.updated_at, VALUES(updated_at)
    ),
    city_code = VALUES(city_code), name = VALUES(name), listed = VALUES(listed);

-- name: save_hospitals!
-- A district's hospitals as [[name, level, type, address, phone, confidence, digest], ...], in one statement: new ones
-- are added, different ones changed, those not named any more marked gone, those that are back listed again. Where
-- nothing is different nothing is written. Conditions stand above the columns they test: MySQL assigns in order.
INSERT INTO hospitals (
    district_code, name, level, type, address, phone, confidence, digest, listed, added_by, created_at, updated_at
)
SELECT
    :district_code, said.name, said.level, said.type, said.address, said.phone, said.confidence, said.digest,
    1, :task_id, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    name VARCHAR(100) PATH '$[0]', level VARCHAR(8) PATH '$[1]', type VARCHAR(40) PATH '$[2]',
    address VARCHAR(200) PATH '$[3]', phone VARCHAR(30) PATH '$[4]', confidence DECIMAL(4, 3) PATH '$[5]',
    digest CHAR(32) PATH '$[6]'
)) AS said
UNION ALL
SELECT
    gone.district_code, gone.name, gone.level, gone.type, gone.address, gone.phone, gone.confidence, gone.digest,
    0, gone.added_by, gone.created_at, UTC_TIMESTAMP(6)
FROM hospitals AS gone
WHERE gone.district_code = :district_code AND gone.listed = 1 AND gone.name NOT IN :names
ON DUPLICATE KEY UPDATE
    changed_by = IF(
        VALUES(listed) = 1 AND (hospitals.listed = 0 OR hospitals.digest <> VALUES(digest)),
        :task_id, hospitals.changed_by
    ),
    gone_by = IF(VALUES(listed) = 1, NULL, :task_id),
    updated_at = IF(
        hospitals.listed = VALUES(listed) AND hospitals.digest = VALUES(digest),
        hospitals.updated_at, VALUES(updated_at)
    ),
    level = VALUES(level), type = VALUES(type), address = VALUES(address), phone = VALUES(phone),
    confidence = VALUES(confidence), digest = VALUES(digest), listed = VALUES(listed);

-- name: count_changes^
-- What a task did in a place. A hospital that it added and then changed counts as added.
SELECT
    COUNT(CASE WHEN listed = 1 AND added_by = :task_id THEN 1 END) AS added,
    COUNT(CASE WHEN listed = 1 AND changed_by = :task_id AND added_by <> :task_id THEN 1 END) AS changed,
    COUNT(CASE WHEN listed = 0 AND gone_by = :task_id THEN 1 END) AS gone
FROM hospitals
WHERE district_code BETWEEN :first_code AND :last_code;

-- name: list_by_place
SELECT
    hospitals.district_code, districts.name AS district_name, hospitals.name, hospitals.level, hospitals.type,
    hospitals.address, hospitals.phone, hospitals.confidence, hospitals.updated_at
FROM hospitals
JOIN districts ON districts.code = hospitals.district_code
WHERE hospitals.district_code BETWEEN :first_code AND :last_code AND hospitals.listed = 1
ORDER BY hospitals.district_code, hospitals.name
LIMIT :limit OFFSET :offset;

-- name: count_by_place$
SELECT COUNT(*) FROM hospitals WHERE district_code BETWEEN :first_code AND :last_code AND listed = 1;

-- name: list_by_level
SELECT
    hospitals.district_code, districts.name AS district_name, hospitals.name, hospitals.level, hospitals.type,
    hospitals.address, hospitals.phone, hospitals.confidence, hospitals.updated_at
FROM hospitals
JOIN districts ON districts.code = hospitals.district_code
WHERE hospitals.listed = 1 AND hospitals.level = :level
  AND hospitals.district_code BETWEEN :first_code AND :last_code
ORDER BY hospitals.district_code, hospitals.name
LIMIT :limit OFFSET :offset;

-- name: count_by_level$
SELECT COUNT(*) FROM hospitals
WHERE listed = 1 AND level = :level AND district_code BETWEEN :first_code AND :last_code;

-- name: list_by_name
-- Names that begin with :pattern: an index can serve a beginning, not a part.
SELECT
    hospitals.district_code, districts.name AS district_name, hospitals.name, hospitals.level, hospitals.type,
    hospitals.address, hospitals.phone, hospitals.confidence, hospitals.updated_at
FROM hospitals
JOIN districts ON districts.code = hospitals.district_code
WHERE hospitals.listed = 1 AND hospitals.name LIKE :pattern AND hospitals.level IN :levels
  AND hospitals.district_code BETWEEN :first_code AND :last_code
ORDER BY hospitals.name, hospitals.district_code
LIMIT :limit OFFSET :offset;

-- name: count_by_name$
SELECT COUNT(*) FROM hospitals
WHERE listed = 1 AND name LIKE :pattern AND level IN :levels AND district_code BETWEEN :first_code AND :last_code;
