-- Keys and contents as entries hold them. Spec: docs/formats.md.

-- The form of a key that is too long to stand in an entry: 0xFFFF and the hash of what would have
-- stood there. A column of 65535 bytes or more, whose length fits no prefix, is hashed by itself.
CREATE OR REPLACE FUNCTION pgtally.long_key(columns bytea[]) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN '\xffff'::bytea || sha256((
  SELECT string_agg(
           CASE WHEN octet_length(c) < 65535 THEN substr(int4send(octet_length(c)), 3) || c
                ELSE '\xffff'::bytea || sha256(c) END, ''::bytea ORDER BY place)
    FROM unnest(columns) WITH ORDINALITY AS u(c, place)));

-- For a hash column that holds something else, or 32 zero bytes, which mean "no content" in an entry.
-- Nothing is recorded in its place.
CREATE OR REPLACE FUNCTION pgtally.no_hash(source text, key text[]) RETURNS bytea
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION 'the hash column of source "%" does not hold a hash of 32 bytes in row %', source, key
    USING ERRCODE = 'TLO03', HINT = 'Correct the row, or pause the source: pgtally source pause ' || source;
END $$;

-- Entries count microseconds from 1970 in 63 bits, which ends in the year 294247; what a source
-- claims to be later than that is as good as infinity.
CREATE OR REPLACE FUNCTION pgtally.encodable(claimed timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN claimed >= '294247-01-01 00:00:00+00'::timestamptz THEN 'infinity' ELSE claimed END;
