package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/coexstream/coexstream/sinks"
)

// ErrForeign says that something refuses rows which these tables take as they were made: a constraint, trigger, index or partitioning that
// somebody added. It is no fault of the record, and would meet others as well. So nothing is set aside: the batch is given again.
var ErrForeign = errors.New("a constraint, trigger, index or partitioning of your own does not take a row; nothing is skipped, and the sink continues when the row fits")

// SQLSTATEs of content that the tables cannot take as they were made.
const (
	twiceInOneStatement = "21000" // each half of the batch can be taken
	notText             = "22021" // U+0000, or bytes that are no UTF-8
	limitExceeded       = "54000" // a key that is too long for an index
	checkViolated       = "23514" // without a constraint: no partition takes the row
)

// classified tells content that these tables cannot take from what somebody added to them, and both from everything else that can go wrong.
// Messages of PostgreSQL that may quote the content are left out.
func (st *Store) classified(ctx context.Context, err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	switch class := e.Code[:min(2, len(e.Code))]; {
	case e.Code == twiceInOneStatement, e.Code == notText, e.Code == limitExceeded && st.owns(ctx, e):
		return fmt.Errorf("%w: SQLSTATE %s%s", sinks.ErrRefused, e.Code, placeOf(e))
	case e.Code == checkViolated && e.ConstraintName == "":
		return fmt.Errorf("no partition of table %s takes a row; create it, or a DEFAULT partition: %w: SQLSTATE %s", e.TableName, ErrForeign, e.Code)
	case slices.Contains([]string{"22", "23", "44", "54", "P0", "09", "27", "2F", "38", "39"}, class): // data, constraints, limits, triggers, functions
		return fmt.Errorf("%w: SQLSTATE %s%s", ErrForeign, e.Code, placeOf(e))
	}
	return err
}

// owns reports whether the index that an error names is one of these tables'. In a partition it has another name, and the same columns.
func (st *Store) owns(ctx context.Context, e *pgconn.PgError) bool {
	var columns []string
	err := st.pool.QueryRow(ctx, `SELECT array_agg(a.attname::text ORDER BY k.n) FROM pg_index i
CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indexrelid = (SELECT oid FROM pg_class WHERE relname = $2 AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1))
  AND i.indexprs IS NULL AND i.indpred IS NULL`, e.SchemaName, e.ConstraintName).Scan(&columns)
	if err != nil {
		return false // the batch is given again
	}
	for _, t := range replaced() {
		if slices.Equal(columns, t.key) {
			return true
		}
	}
	return slices.ContainsFunc(lookups, func(index []string) bool { return slices.Equal(columns, index) })
}

// lookups are the columns of the indexes beside the keys.
var lookups = [][]string{{"phone_number_id", "chat", "sort_at"}, {"phone_number_id", "chat"}, {"phone_number_id", "last_at"}, {"phone_number_id", "wamid"}, {"object"}}

func placeOf(e *pgconn.PgError) (place string) {
	for _, at := range [...][2]string{{"table", e.TableName}, {"column", e.ColumnName}, {"constraint", e.ConstraintName}, {"in", functionOf(e.Where)}} {
		if at[1] != "" {
			place += ", " + at[0] + " " + at[1]
		}
	}
	return place
}

// functionOf is the function of the context of an error, such as that of a trigger.
func functionOf(where string) string {
	first, _, _ := strings.Cut(where, "\n")
	if name, _, ok := strings.Cut(first, " line "); ok && strings.HasPrefix(name, "PL/") {
		return name
	}
	return ""
}
