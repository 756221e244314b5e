package postgres

import (
	"fmt"
	"slices"
	"strings"
)

// kind is the type of a column.
type kind int

const (
	text kind = iota
	bytea
	bigint
	boolean
	instant
)

func (k kind) String() string {
	return [...]string{"text", "bytea", "bigint", "boolean", "timestamptz"}[k]
}

type column struct {
	name string
	kind kind
}

// register is a column that decides, and those that go with it.
type register struct {
	order   string
	columns []string
}

// table is how rows are written: each column is of the key, of a register, an earliest time, a greatest text, or stays as it was first written.
type table struct {
	name      string
	columns   []column // in the order in which rows are encoded
	key       []string
	registers []register
	earliest  []string // times of which the earliest is kept
	greatest  []string // texts of which the greatest is kept
	former    string   // column that takes the former value of chat when a row changes; empty: none
}

// columnsOf reads "name kind" pairs; a name without a kind is a text.
func columnsOf(list string) (all []column) {
	for _, c := range strings.Split(list, ",") {
		fields := strings.Fields(c)
		col := column{name: fields[0]}
		for _, k := range []kind{text, bytea, bigint, boolean, instant} {
			if len(fields) > 1 && fields[1] == k.String() {
				col.kind = k
			}
		}
		all = append(all, col)
	}
	return all
}

// single is the only register of a table: it has all columns that are not the key.
func single(order string, columns []column, key ...string) []register {
	r := register{order: order}
	for _, c := range columns[len(key):] {
		if c.name != order {
			r.columns = append(r.columns, c.name)
		}
	}
	return []register{r}
}

// newTable is a table with one register, whose key comes first.
func newTable(name, order, columns string, key ...string) *table {
	all := columnsOf(columns)
	return &table{name: name, columns: all, key: key, registers: single(order, all, key...)}
}

func withFormer(column string, t *table) *table {
	t.former = column
	return t
}

var (
	messages = withFormer("former_chat", newTable("messages", "content_order", `phone_number_id, wamid, event_id, kind, type, thread, chat, group_id, wa_id, user_id, direction, sender, recipient,
		at timestamptz, sort_at timestamptz, historical boolean, standby boolean, sync_window bigint, text, original, content_order bytea`, "phone_number_id", "wamid"))
	versions = newTable("versions", "version_order", `phone_number_id, wamid, what, event_id, at timestamptz, type, text, original, version_order bytea, person`,
		"phone_number_id", "wamid", "what")
	reactions = newTable("reactions", "emoji_order", `phone_number_id, wamid, sender, event_id, at timestamptz, type, emoji, original, emoji_order bytea, person`,
		"phone_number_id", "wamid", "sender")
	syncs = newTable("syncs", "sync_order", `phone_number_id, sync_window bigint, partition bigint, waba_id, state, end_reason, progress bigint, messages bigint, chunks_held bigint,
		opened_at timestamptz, last_chunk_at timestamptz, ended_at timestamptz, removed boolean, value, sync_order bytea, `+`
		status, onboarded_at timestamptz, requested_at timestamptz, request_deadline_at timestamptz, requested_by, error_code bigint`, "phone_number_id", "sync_window", "partition")
	notes = newTable("notes", "note_order", `event_id, topic, kind, waba_id, phone_number_id, display_phone_number, thread, at timestamptz, text, original, note_order bytea, person`,
		"event_id")
	assets = newTable("assets", "asset_order", `phone_number_id, event_id, waba_id, wamid, thread, person, media_id, type, mime_type, detected_type, filename, state, reason, detail,
		sha256, bytes bigint, object, message_at timestamptz, expires_at timestamptz, at timestamptz, asset_order bytea`, "phone_number_id", "event_id")
	businesses = newTable("businesses", "event_order", `waba_id, event, event_order bytea`, "waba_id")
	numbers    = &table{
		name:    "numbers",
		columns: columnsOf(`phone_number_id, waba_id, display_phone_number, event, waba_order bytea, display_order bytea, event_order bytea`),
		key:     []string{"phone_number_id"},
		registers: []register{
			{"waba_order", []string{"waba_id"}}, {"display_order", []string{"display_phone_number"}}, {"event_order", []string{"event"}},
		},
	}
	contacts = &table{
		name: "contacts",
		columns: columnsOf(`phone_number_id, id, chat, in_book boolean, full_name, first_name, book_username, phone_number, user_id, parent_user_id, changed_at timestamptz,
			original, removed boolean, book_order bytea, profile_name, username, country_code, profile_order bytea, linked_id, link_order bytea`),
		key: []string{"phone_number_id", "id"},
		registers: []register{
			{"book_order", []string{"in_book", "full_name", "first_name", "book_username", "phone_number", "user_id", "parent_user_id", "changed_at", "original", "removed"}},
			{"profile_order", []string{"profile_name", "username", "country_code"}},
			{"link_order", []string{"linked_id"}},
		},
	}
	receipts = &table{
		name: "receipts",
		columns: columnsOf(`phone_number_id, wamid, participant, status, sent_at timestamptz, delivered_at timestamptz, read_at timestamptz, played_at timestamptz,
			failed_event_id, failed_at timestamptz, failed_type, failed_original, status_order bytea, failed_order bytea, person`),
		key: []string{"phone_number_id", "wamid", "participant"},
		registers: []register{
			{"status_order", []string{"status"}}, {"failed_order", []string{"failed_event_id", "failed_at", "failed_type", "failed_original"}},
		},
		earliest: []string{"sent_at", "delivered_at", "read_at", "played_at"},
		greatest: []string{"person"},
	}
	letters = &table{
		name:    "letters",
		columns: columnsOf(`topic, partition bigint, record_offset bigint, at timestamptz, reason, record_key bytea, headers, value bytea`),
		key:     []string{"topic", "partition", "record_offset"},
	}

	// tables are written in this order, by every transaction.
	tables = []*table{messages, versions, receipts, reactions, contacts, numbers, businesses, syncs, notes, assets, letters}
)

func (t *table) names() string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// stage is the temporary table that takes the rows of a COPY.
func (t *table) stage() string { return "pg_temp.stage_" + t.name }

func (t *table) createStage() string {
	cols := make([]string, len(t.columns))
	for i, c := range t.columns {
		cols[i] = c.name + " " + c.kind.String()
		if c.kind == text {
			cols[i] += ` COLLATE "C"`
		}
	}
	return fmt.Sprintf("CREATE TEMPORARY TABLE stage_%s (%s) ON COMMIT DELETE ROWS", t.name, strings.Join(cols, ", "))
}

func (t *table) copyIn() string {
	return fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT binary)", t.stage(), t.names())
}

// given is the rows of a batch as a part of a statement: those of the stage, or of one array for each column.
func (t *table) given(staged bool) string {
	if staged {
		return fmt.Sprintf("%s AS s", t.stage())
	}
	arrays := make([]string, len(t.columns))
	for i, c := range t.columns {
		arrays[i] = fmt.Sprintf("$%d::%s[]", i+1, c.kind)
	}
	return fmt.Sprintf("unnest(%s) AS s (%s)", strings.Join(arrays, ", "), t.names())
}

// put inserts rows and joins those that are there. The rows come in the order of their keys.
func (t *table) put(staged bool) string {
	return fmt.Sprintf("INSERT INTO %[1]s AS t (%[2]s) SELECT %[2]s FROM %[3]s ON CONFLICT (%[4]s) DO %[5]s",
		t.name, t.names(), t.given(staged), strings.Join(t.key, ", "), t.join())
}

// join returns the clause for a row that exists.
func (t *table) join() string {
	if len(t.registers) == 0 {
		return "NOTHING"
	}
	var set, when []string
	alone := len(t.registers) == 1 && len(t.earliest)+len(t.greatest) == 0
	for _, r := range t.registers {
		newer := fmt.Sprintf("excluded.%[1]s > t.%[1]s", r.order)
		when = append(when, newer)
		for _, c := range slices.Concat(r.columns, []string{r.order}) {
			if alone {
				set = append(set, fmt.Sprintf("%[1]s = excluded.%[1]s", c))
			} else {
				set = append(set, fmt.Sprintf("%[1]s = CASE WHEN %[2]s THEN excluded.%[1]s ELSE t.%[1]s END", c, newer))
			}
		}
	}
	if t.former != "" {
		set = append(set, t.former+" = t.chat")
	}
	for _, c := range t.earliest {
		set = append(set, fmt.Sprintf("%[1]s = LEAST(t.%[1]s, excluded.%[1]s)", c))
		when = append(when, fmt.Sprintf("LEAST(t.%[1]s, excluded.%[1]s) IS DISTINCT FROM t.%[1]s", c))
	}
	for _, c := range t.greatest {
		set = append(set, fmt.Sprintf("%[1]s = GREATEST(t.%[1]s, excluded.%[1]s)", c))
		when = append(when, fmt.Sprintf("excluded.%[1]s > t.%[1]s", c))
	}
	return fmt.Sprintf("UPDATE SET %s WHERE %s", strings.Join(set, ", "), strings.Join(when, " OR "))
}

// statements write the rows of a table.
type statements struct {
	copyIn         string // into the stage
	staged, arrays string // from the stage, or from one array for each column
	isNew          string // from the stage, where no row is there; empty: not used
}

// prepared are the statements of all tables.
func prepared() map[*table]statements {
	all := map[*table]statements{}
	for _, t := range tables {
		all[t] = statements{copyIn: t.copyIn(), staged: t.put(true), arrays: t.put(false)}
	}
	all[messages] = statements{messages.copyIn(), putMessages(true), putMessages(false), messages.insert()}
	all[receipts] = statements{receipts.copyIn(), receipts.put(true), receipts.put(false), receipts.insert()}
	return all
}
