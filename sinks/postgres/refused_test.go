package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// foreign is an object that somebody adds to the tables, and the remedy.
var foreign = map[string]struct{ add, mend, want string }{
	"a check":          {"ALTER TABLE messages ADD CONSTRAINT crm_short CHECK (length(text) < 1) NOT VALID", "ALTER TABLE messages DROP CONSTRAINT crm_short", "SQLSTATE 23514, table messages, constraint crm_short"},
	"a unique index":   {"CREATE UNIQUE INDEX crm_once ON messages ((length(text) * 0))", "DROP INDEX crm_once", "SQLSTATE 23505, table messages, constraint crm_once"},
	"a foreign key":    {"CREATE TABLE crm_people (id text PRIMARY KEY); ALTER TABLE contacts ADD CONSTRAINT crm_known FOREIGN KEY (id) REFERENCES crm_people", "ALTER TABLE contacts DROP CONSTRAINT crm_known", "SQLSTATE 23503, table contacts, constraint crm_known"},
	"a column":         {"ALTER TABLE versions ADD COLUMN crm_team text NOT NULL", "ALTER TABLE versions DROP COLUMN crm_team", "SQLSTATE 23502, table versions, column crm_team"},
	"a trigger":        {"CREATE FUNCTION crm() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not %', NEW.text; END $$; CREATE TRIGGER crm BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION crm()", "DROP TRIGGER crm ON messages", "SQLSTATE P0001, in PL/pgSQL function crm()"},
	"a shorter text":   {"ALTER TABLE receipts ADD COLUMN crm_status varchar(2) GENERATED ALWAYS AS (status) STORED", "ALTER TABLE receipts DROP COLUMN crm_status", "SQLSTATE 22001"},
	"an index on json": {"CREATE INDEX crm_json ON messages ((original::jsonb))", "DROP INDEX crm_json", "SQLSTATE 22P0"},
	"partitions": {`DROP VIEW inbox, conversation; ALTER TABLE messages RENAME TO plain;
CREATE TABLE messages (LIKE plain, PRIMARY KEY (phone_number_id, wamid)) PARTITION BY LIST (phone_number_id);
CREATE TABLE messages_one PARTITION OF messages FOR VALUES IN ('n1.0')`, "CREATE TABLE messages_others PARTITION OF messages DEFAULT", "no partition of table messages takes a row; create it, or a DEFAULT partition"},
}

// An object that somebody added to the tables, and that refuses their rows, stops the sink. The sink names it. No
// record becomes a letter, and nothing is lost.
func TestWhatOthersAddAndRefusesRowsStopsTheSinkAndSaysSo(t *testing.T) {
	t.Parallel()
	for name, f := range foreign {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := migrated(t)
			conn := connected(t, url)
			if _, err := conn.Exec(t.Context(), f.add); err != nil {
				t.Fatal(err)
			}
			w := sinktest.NewWorld(61, 1000, 0) // with U+0000, and a text of a mebibyte
			w.Poison(2)
			sink, err := patient(opened(t, url), sinktest.NewLog(w), 200)
			if err != nil {
				t.Fatal(err)
			}
			mended := false
			err = runUntil(t.Context(), sink, func() bool {
				if err := sink.Ready(); !mended && err != nil && errors.Is(err, postgres.ErrForeign) {
					if !strings.Contains(err.Error(), f.want) || len(err.Error()) > 400 {
						t.Errorf("%v, want %q", err, f.want)
					}
					if _, err := conn.Exec(t.Context(), f.mend); err != nil {
						t.Error(err)
					}
					mended = true
				}
				return mended && sink.CaughtUp()
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := sinktest.Compare(contentOf(t, url).Lines(), w.Fold()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A key that no index of the tables takes is the record's own fault, in a partition as well.
func TestAKeyThatIsTooLongIsSetAsideInPartitionsToo(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	if _, err := connected(t, url).Exec(t.Context(), documented(t, "")[2]); err != nil {
		t.Fatal(err)
	}
	if _, err := connected(t, url).Exec(t.Context(), "CREATE INDEX crm_text ON messages (text)"); err != nil {
		t.Fatal(err)
	}
	st := opened(t, url)
	for _, field := range []string{`"w"`, `"3"`} { // of the key, and of the chat
		b := batchOf(t, -1, 1, strings.Replace(oneMessage, field, `"`+incompressible(5000)+`"`, 1))
		if err := st.Apply(t.Context(), b); !errors.Is(err, sinks.ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", field, err)
		}
	}
	// An index of somebody else is not: the record has nothing that the tables do not take.
	b := batchOf(t, -1, 1, strings.Replace(oneMessage, `"body":"x"`, `"body":"`+incompressible(5000)+`"`, 1))
	if err := st.Apply(t.Context(), b); !errors.Is(err, postgres.ErrForeign) || !strings.Contains(err.Error(), "SQLSTATE 54000, table messages_") || !strings.Contains(err.Error(), "constraint messages_") {
		t.Errorf("%v, want ErrForeign and the index", err)
	}
}
