-- Times are milliseconds since 1970. States are words, so that a person with `sqlite3` can read them.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE node (node TEXT PRIMARY KEY, epoch INTEGER NOT NULL, seen_at INTEGER NOT NULL, drain INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE body (
  body_id INTEGER PRIMARY KEY,
  size INTEGER NOT NULL,
  sha256 BLOB NOT NULL,
  data BLOB,
  file TEXT,
  CHECK ((data IS NULL) <> (file IS NULL))
) STRICT;

CREATE TABLE message (
  msg_id INTEGER PRIMARY KEY,
  queue_id TEXT NOT NULL UNIQUE,
  body_id INTEGER REFERENCES body,             -- none once everybody has it
  octets INTEGER NOT NULL,
  prefix BLOB NOT NULL,
  sender TEXT NOT NULL COLLATE NOCASE,
  envid TEXT, ret TEXT,
  body_type TEXT NOT NULL, smtputf8 INTEGER NOT NULL, requiretls INTEGER NOT NULL,
  kind TEXT NOT NULL,
  auth_user TEXT, client_ip TEXT, helo TEXT, tls TEXT,
  arrived_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  hold_why TEXT,
  done_at INTEGER,
  intake_key BLOB,                             -- by what a second sending would be known
  batch INTEGER NOT NULL,                      -- the commit that it came with
  doubt INTEGER NOT NULL DEFAULT 0             -- its client may not know that we have it
) STRICT;
-- A body that is removed is looked for here, since messages refer to it.
CREATE INDEX message_body ON message (body_id) WHERE body_id IS NOT NULL;
CREATE INDEX message_sender ON message (sender);
CREATE INDEX message_done ON message (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX message_batch ON message (batch);
CREATE INDEX message_doubt ON message (arrived_at) WHERE doubt = 1;

-- AUTOINCREMENT: a number is never used again, since it is in logs and in the names of files.
CREATE TABLE delivery (
  delivery_id INTEGER PRIMARY KEY AUTOINCREMENT,
  msg_id INTEGER NOT NULL REFERENCES message,
  route_key TEXT NOT NULL,
  owner TEXT NOT NULL, epoch INTEGER NOT NULL,
  adopted INTEGER NOT NULL DEFAULT 0,          -- left over by earlier processes this often
  state TEXT NOT NULL,
  next_at INTEGER NOT NULL,
  warn_at INTEGER,                             -- its sender is told then that it is late; here and not in message, since
                                               -- each destination is late by itself
  attempts INTEGER NOT NULL DEFAULT 0,
  abandoned INTEGER NOT NULL DEFAULT 0,        -- left at its final dot this often
  unsure INTEGER NOT NULL DEFAULT 0,           -- an earlier try may have delivered it
  crashes INTEGER NOT NULL DEFAULT 0,
  last_reply TEXT
) STRICT;
CREATE INDEX delivery_due ON delivery (next_at) WHERE state = 'ready';
CREATE INDEX delivery_owner ON delivery (owner, next_at);
CREATE INDEX delivery_message ON delivery (msg_id);

CREATE TABLE rcpt (
  rcpt_id INTEGER PRIMARY KEY AUTOINCREMENT,
  delivery_id INTEGER NOT NULL REFERENCES delivery,
  address TEXT NOT NULL COLLATE NOCASE,
  user TEXT,                                   -- whose mailbox here, where an alias was resolved already
  orcpt TEXT, notify TEXT,
  state TEXT NOT NULL,
  unsure INTEGER NOT NULL DEFAULT 0,           -- an attempt ended without an answer to its final dot
  reply TEXT, mx TEXT, tls TEXT,
  done_at INTEGER
) STRICT;
CREATE INDEX rcpt_delivery ON rcpt (delivery_id);
CREATE INDEX rcpt_address ON rcpt (address);

CREATE TABLE attempt (
  delivery_id INTEGER NOT NULL REFERENCES delivery,
  n INTEGER NOT NULL,
  node TEXT NOT NULL,
  began INTEGER NOT NULL, ended INTEGER NOT NULL,
  mx TEXT, ip TEXT, tls TEXT, phase TEXT,
  outcome TEXT NOT NULL,
  transcript TEXT,
  PRIMARY KEY (delivery_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE route (
  route_key TEXT PRIMARY KEY,
  failures INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  why TEXT NOT NULL
) STRICT;
