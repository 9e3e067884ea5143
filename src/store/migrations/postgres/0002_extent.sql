-- What the last complete pass was asked for, as JSON. Unknown for passes before this version: they
-- count as not having seen everything, until the next pass has.
ALTER TABLE source_state ADD COLUMN extent TEXT;
