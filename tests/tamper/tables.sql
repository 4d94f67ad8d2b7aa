-- The tables of the specimen, with the rows that are there when they become sources. Values follow from
-- the key, so that a kind of tampering can name a row and know what is in it.

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE address AS (street text, zip character varying(10));

-- What an application does to keep its own users honest. A superuser does not mind.
CREATE FUNCTION refuse_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;

-- Mode xid.
CREATE TABLE event (
  id     bigint PRIMARY KEY,
  at     timestamptz NOT NULL,
  kind   mood NOT NULL,
  actor  uuid NOT NULL,
  origin inet,
  body   jsonb,
  raw    bytea,
  weight real,
  note   text,       -- excluded
  xid    xid8 NOT NULL DEFAULT pg_current_xact_id()
);
ALTER TABLE event ADD CONSTRAINT xid_is_the_writers_own CHECK (xid = pg_current_xact_id()) NOT VALID;
CREATE INDEX ON event (xid, id);
CREATE FUNCTION write_events(low integer, high integer, at timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO event (id, at, kind, actor, origin, body, raw, weight, note)
  SELECT n, at, (ARRAY['sad', 'ok', 'happy'])[n % 3 + 1]::mood, md5('actor ' || n % 100)::uuid,
         ('10.0.' || n / 256 % 256 || '.' || n % 256 || '/24')::inet,
         jsonb_build_object('n', n, 'price', 1.0, 'text', 'Event ' || n),
         CASE WHEN n % 2 = 0 THEN sha256(n::text::bytea) ELSE '' END, n / 8.0, 'note ' || n
    FROM generate_series(low, high) AS n
$$;

-- Mode poll, an integer key; 150 to 159 are never used by anybody honest.
CREATE TABLE payment (
  id       bigint PRIMARY KEY,
  payer    text,
  amount   numeric(12,2) NOT NULL,
  fee      numeric,
  currency character(3) NOT NULL,
  at       timestamptz NOT NULL,
  day      date NOT NULL,
  tags     text[] NOT NULL,
  settled  boolean NOT NULL,
  remark   character varying(60),
  ratio    double precision NOT NULL,
  internal text,     -- excluded
  total    numeric GENERATED ALWAYS AS (amount + coalesce(fee, 0)) STORED
);
CREATE TRIGGER refuse_edit BEFORE UPDATE OR DELETE ON payment
  FOR EACH ROW EXECUTE FUNCTION refuse_edit();
CREATE FUNCTION write_payments(low integer, high integer, at timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO payment
  SELECT n, CASE n % 10 WHEN 1 THEN '' WHEN 2 THEN NULL WHEN 3 THEN 'Café ' || n ELSE 'Payer ' || n END,
         n, CASE WHEN n % 3 > 0 THEN 1.50 + n END, 'EUR', at, '2026-01-01'::date + n % 300,
         ARRAY['a', 'b', NULL, 'n' || n], n % 2 = 0, 'Remark ' || n,
         CASE WHEN n % 4 = 0 THEN 0 ELSE n / 3.0 END, 'internal ' || n
    FROM generate_series(low, high) AS n WHERE n NOT BETWEEN 150 AND 159
$$;

-- Mode poll, a key of three columns that only sweeps find.
CREATE TABLE package (
  name         text,
  version      text,
  architecture character varying(10),
  size         bigint NOT NULL,
  sha256       bytea NOT NULL,
  depends      text[],
  installed    timestamp NOT NULL,
  priority     mood,
  flags        bit(8) NOT NULL,
  PRIMARY KEY (name, version, architecture)
);
CREATE TRIGGER refuse_edit BEFORE UPDATE OR DELETE ON package
  FOR EACH ROW EXECUTE FUNCTION refuse_edit();
CREATE FUNCTION write_packages(low integer, high integer, at timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO package
  SELECT 'package-' || n, '1.' || n % 7 || '-1', CASE WHEN n % 2 = 0 THEN 'amd64' ELSE 'arm64' END,
         n * 1000, sha256(('package ' || n)::bytea), ARRAY['libc6 (>= 2.36)', 'x' || n],
         at AT TIME ZONE 'UTC', CASE WHEN n % 3 > 0 THEN 'ok'::mood END, (n % 256)::bit(8)
    FROM generate_series(low, high) AS n
$$;

-- Mode trigger, with updates and deletes.
CREATE TABLE account (
  id      integer PRIMARY KEY,
  owner   text NOT NULL,
  email   character varying(80),
  balance numeric NOT NULL,
  created timestamptz NOT NULL,
  opened  date NOT NULL,
  limits  int4range,
  home    address,
  active  boolean NOT NULL,
  risk    double precision,
  code    character(8)
);
CREATE FUNCTION write_accounts(low integer, high integer, at timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO account
  SELECT n, 'Owner ' || n, 'owner' || n || '@example.org', n / 4.0, at, '2020-02-29'::date + n % 1000,
         int4range(n, n + 10), ROW('Street ' || n, lpad(n::text, 5, '0'))::address, true, n / 7.0,
         'C' || n
    FROM generate_series(low, high) AS n
$$;

-- Mode logical, with updates and deletes.
CREATE TABLE stock (
  sku      text PRIMARY KEY,
  quantity integer NOT NULL,
  price    money,
  span     tstzrange,
  dims     box,
  lead     interval,
  checked  time,
  mac      macaddr,
  doc      xml,
  label    text
);
ALTER TABLE stock REPLICA IDENTITY FULL;
CREATE FUNCTION write_stock(low integer, high integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO stock
  SELECT 'SKU-' || n, n, n::money, tstzrange('2026-01-01 00:00+00', '2026-01-02 00:00+00'),
         box(point(0, 0), point(n, 1.5)), '24:00:00', '12:00', '08:00:2b:01:02:03',
         ('<item n="' || n || '"/>')::xml, 'Label ' || n
    FROM generate_series(low, high) AS n
$$;

SELECT write_events(1, 20000, now() - interval '30 days'),
       write_payments(1, 20000, now() - interval '30 days'),
       write_packages(1, 12000, now() - interval '30 days'),
       write_accounts(1, 12000, now() - interval '30 days'), write_stock(1, 12000);
