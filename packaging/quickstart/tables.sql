-- The two tables of the quick start. Plain tables: they know nothing of pgtally.

-- What `apt-cache dumpavail` says: one row for each package that this machine could install.
CREATE TABLE debian_package (
  name         text NOT NULL,
  version      text NOT NULL,
  architecture text NOT NULL,
  filename     text NOT NULL,  -- where in the archive
  size         bigint NOT NULL CHECK (size >= 0),
  sha256       text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),  -- as the archive states it
  PRIMARY KEY (name, version, architecture)
);

-- What the package manager did on this machine: a row for each line of its log.
CREATE TABLE dpkg_event (
  line      integer PRIMARY KEY,  -- counted over all log files that are still there, from 1
  logged_at timestamptz NOT NULL,
  action    text NOT NULL,
  package   text,                 -- with its architecture; some lines are about none
  details   text
);
