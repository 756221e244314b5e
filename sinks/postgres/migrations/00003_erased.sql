-- People who were erased: the sink takes no older events about them again.

-- +goose Up

CREATE TABLE erased (
  person bytea PRIMARY KEY,
  erased_at timestamptz NOT NULL,
  version bigint NOT NULL
);
CREATE INDEX erased_by_version ON erased (version);
COMMENT ON TABLE erased IS 'People whose data was erased. Events up to that time do not come back, by a replay or a rebuild either.';
COMMENT ON COLUMN erased.person IS 'SHA-256 of the business number and an id of the person.';
COMMENT ON COLUMN erased.erased_at IS 'Events up to this time are left out. Later ones are new data.';
COMMENT ON COLUMN erased.version IS 'Which erasure it was. Do not change.';

-- +goose Down

DROP TABLE erased;
