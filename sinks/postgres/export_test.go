package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/sinks"
)

// For tests: migrations that this program does not have.
var (
	MigrateFrom = migrate
	Migrations  = embedded
	LockOf      = lockOf
)

// CopyBare copies the messages of a batch into a table, and does nothing else.
func CopyBare(ctx context.Context, conn *pgx.Conn, b *sinks.Batch, into string) error {
	p := partsOf(b)[0]
	return p.stage(ctx, conn, fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT binary)", into, p.table.names()))
}

// InsertMessage inserts one message.
var InsertMessage = func() string {
	places := make([]string, len(messages.columns))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	return fmt.Sprintf("INSERT INTO messages (%s) VALUES (%s) ON CONFLICT DO NOTHING", messages.names(), strings.Join(places, ", "))
}()

// ContentRows are the messages of a batch, as values of a statement.
func ContentRows(b *sinks.Batch) (rows [][]any) {
	p := partsOf(b)[0]
	for i := range p.rows {
		a := newArrays(p.table.columns, 1)
		p.encode(a, i)
		row := make([]any, len(a.args))
		for j, arg := range a.args {
			switch v := arg.(type) {
			case []string:
				row[j] = v[0]
			case [][]byte:
				row[j] = v[0]
			case []int64:
				row[j] = v[0]
			case []bool:
				row[j] = v[0]
			case []*time.Time:
				row[j] = v[0]
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// Setting is a setting of a connection of a store.
func Setting(ctx context.Context, st *Store, name string) (value string, err error) {
	return value, st.pool.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value)
}

// Novelty is what a store assumes of the partitions.
type Novelty struct{ n novelty }

func NewNovelty() *Novelty { return &Novelty{novelty{of: map[int32]assumption{}}} }

func (n *Novelty) Holds(partition int32) bool          { return n.n.holds(partition) }
func (n *Novelty) Learned(partition int32, isNew bool) { n.n.learned(partition, isNew) }
