-- The directory. Codes are those of GB/T 2260, six digits; names compare byte by byte. Nothing is ever deleted: what a
-- later refresh no longer finds is kept with listed = 0. The `_by` columns hold the task that did it.

CREATE TABLE IF NOT EXISTS provinces (
    code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (code),
    UNIQUE KEY provinces_by_name (name)
);

CREATE TABLE IF NOT EXISTS cities (
    code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    province_code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    listed TINYINT NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (code),
    KEY cities_of_province (province_code, listed, code)
);

CREATE TABLE IF NOT EXISTS districts (
    code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    city_code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    listed TINYINT NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (code),
    KEY districts_of_city (city_code, listed, code)
);

CREATE TABLE IF NOT EXISTS hospitals (
    district_code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    level VARCHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    type VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    address VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    phone VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    confidence DECIMAL(4, 3) NOT NULL,
    digest CHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    listed TINYINT NOT NULL,
    added_by VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    changed_by VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    gone_by VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (district_code, name),
    KEY hospitals_by_name (listed, name, district_code),
    KEY hospitals_by_level (listed, level, district_code, name)
);

INSERT IGNORE INTO provinces (code, name) VALUES
    ('110000', '北京市'), ('120000', '天津市'), ('130000', '河北省'), ('140000', '山西省'),
    ('150000', '内蒙古自治区'), ('210000', '辽宁省'), ('220000', '吉林省'), ('230000', '黑龙江省'),
    ('310000', '上海市'), ('320000', '江苏省'), ('330000', '浙江省'), ('340000', '安徽省'),
    ('350000', '福建省'), ('360000', '江西省'), ('370000', '山东省'), ('410000', '河南省'),
    ('420000', '湖北省'), ('430000', '湖南省'), ('440000', '广东省'), ('450000', '广西壮族自治区'),
    ('460000', '海南省'), ('500000', '重庆市'), ('510000', '四川省'), ('520000', '贵州省'),
    ('530000', '云南省'), ('540000', '西藏自治区'), ('610000', '陕西省'), ('620000', '甘肃省'),
    ('630000', '青海省'), ('640000', '宁夏回族自治区'), ('650000', '新疆维吾尔自治区'), ('710000', '台湾省'),
    ('810000', '香港特别行政区'), ('820000', '澳门特别行政区');
