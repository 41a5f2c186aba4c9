-- What a refresh has added, changed and marked gone, in the order of the directory. `listed` stands within, so that counting
-- reads an index alone.
ALTER TABLE hospitals
    ADD KEY hospitals_added (added_by, listed, district_code, name),
    ADD KEY hospitals_changed (changed_by, listed, district_code, name, added_by),
    ADD KEY hospitals_gone (gone_by, listed, district_code, name);
