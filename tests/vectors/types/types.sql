-- The types of the vectors that are not built in. Their texts are made of those of built-in types.
CREATE SCHEMA golden;
CREATE TYPE golden.mood AS ENUM ('so so', 'it''s "good"');
CREATE DOMAIN golden.moment AS timestamptz;
CREATE DOMAIN golden.percent AS numeric(5,2) CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE golden.pair AS (number double precision, text text);
CREATE TYPE golden.nested AS (pair golden.pair, at timestamptz, moods golden.mood[], prices numeric[]);
CREATE TYPE golden.span AS RANGE (subtype = double precision, multirange_type_name = golden.spans);
