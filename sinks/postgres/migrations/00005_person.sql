-- Whom rows are about that can be there without their message, so that an erasure finds them. The columns have defaults, because sinks of the version before
-- write beside this one. The next migration fills them: this one locks the tables.

-- +goose Up

ALTER TABLE versions ADD COLUMN person text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE receipts ADD COLUMN person text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE reactions ADD COLUMN person text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE notes ADD COLUMN person text COLLATE "C" NOT NULL DEFAULT '';
COMMENT ON COLUMN versions.person IS 'User of the chat, in a group the participant, in the spelling of messages.chat. Empty: not known.';
COMMENT ON COLUMN receipts.person IS 'User of the chat, in a group the participant, in the spelling of messages.chat. Empty: not known, or as the message says.';
COMMENT ON COLUMN reactions.person IS 'User of the chat, in a group the participant, in the spelling of messages.chat. Empty: not known.';
COMMENT ON COLUMN notes.person IS 'User of the chat, in a group the participant, in the spelling of messages.chat. Empty: none is named.';

-- +goose Down

ALTER TABLE notes DROP COLUMN person;
ALTER TABLE reactions DROP COLUMN person;
ALTER TABLE receipts DROP COLUMN person;
ALTER TABLE versions DROP COLUMN person;
