-- Serving over HTTP: who may do there what not everybody may.

-- Bearer tokens. What a client shows is `hash`ed and looked up; the token itself is shown once, when
-- it is made, and kept nowhere.
CREATE TABLE pgtally.token (
  token_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name       text NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 100),
  hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),   -- SHA-256 of the token
  rights     text[] NOT NULL CHECK (rights <@ ARRAY['append', 'salts', 'rows']
                                    AND cardinality(rights) > 0),
  sources    text[],                 -- to which the rights are limited; null: all
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz,
  revoked_at timestamptz
);

-- Checkpoints that enough witnesses have cosigned, by the policy of the service that asked them. Their
-- cosignatures are in table cosignature.
CREATE TABLE pgtally.witnessed (
  size bigint PRIMARY KEY CHECK (size > 0),
  at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
