-- Who may do what. The roles' real names are <database>_<schema>_writer and so on; none of them is
-- the owner. Left out where a ledger has no roles.

GRANT USAGE ON SCHEMA pgtally TO pgtally_writer, pgtally_sequencer, pgtally_reader;

-- Writes to append sources: data, and what the source says of its time and place.
GRANT INSERT (source_id, source_position, source_time, data), SELECT (id)
   ON pgtally.append_only_log TO pgtally_writer;
GRANT SELECT (source_id, name, mode, state, writer) ON pgtally.source TO pgtally_writer;
GRANT EXECUTE ON FUNCTION pgtally.append(bytea, text) TO pgtally_writer;

-- Reads the log, its tree and its registry; not what rows hold, and no secrets.
GRANT SELECT (id, source_id, definition, ordinal, operation, key, source_position, source_time,
              content_hash, sequenced_at) ON pgtally.processed_log TO pgtally_reader, pgtally_sequencer;
GRANT SELECT ON pgtally.ledger, pgtally.source, pgtally.definition, pgtally.log_head,
                pgtally.tree_head, pgtally.tile, pgtally.checkpoint, pgtally.cosignature,
                pgtally.witnessed, pgtally.round, pgtally.capture, pgtally.barrier, pgtally.hole,
                pgtally.sweep, pgtally.failure, pgtally.reading, pgtally.stream_source
   TO pgtally_reader, pgtally_sequencer;
GRANT SELECT (endpoint_id, place) ON pgtally.endpoint TO pgtally_reader, pgtally_sequencer;
GRANT EXECUTE ON FUNCTION pgtally.waiting(), pgtally.documents(bigint, bigint)
   TO pgtally_reader, pgtally_sequencer;

-- Sequences, integrates and stores what was signed.
GRANT INSERT ON pgtally.tree_head, pgtally.tile, pgtally.checkpoint, pgtally.cosignature,
                pgtally.witnessed
   TO pgtally_sequencer;
GRANT UPDATE (hashes) ON pgtally.tile TO pgtally_sequencer;
-- The service looks up the tokens that clients show.
GRANT SELECT ON pgtally.token TO pgtally_sequencer;
GRANT EXECUTE ON FUNCTION pgtally.lock_ledger(), pgtally.process_next_batch(integer),
                          pgtally.set_aside_failing(integer), pgtally.clear_failure(integer),
                          pgtally.note_failure(integer, text, text, text),
                          pgtally.may_have_more(bigint, integer),
                          pgtally.sweep_step(integer, integer), pgtally.settle_step(),
                          pgtally.thin_checkpoints(interval), pgtally.prune(integer),
                          pgtally.order_triggers(integer[]), pgtally.overtaken_triggers(),
                          pgtally.take_inserts_first(integer),
                          pgtally.note_overtaken(integer, text, text),
                          pgtally.forget_overtaken(integer[])
   TO pgtally_sequencer;
