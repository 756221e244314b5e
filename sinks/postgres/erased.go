package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/merge"
)

// newestErasure is the version of the newest erasure. A new one takes the locks of all partitions.
const newestErasure = "SELECT COALESCE(max(version), 0) FROM erased"

// Erasures is as sinks.Eraser has it.
func (st *Store) Erasures() *sinks.Erasures { return st.erasures.Load() }

func (st *Store) readErasures(ctx context.Context) error {
	rows, _ := st.pool.Query(ctx, "SELECT person, erased_at, version FROM erased") // its error is that of the rows
	all := &sinks.Erasures{People: map[merge.PersonHash]time.Time{}}
	var person []byte
	var at time.Time
	var version int64
	_, err := pgx.ForEachRow(rows, []any{&person, &at, &version}, func() error {
		var hash merge.PersonHash
		copy(hash[:], person)
		all.People[hash], all.Version = at, max(all.Version, version)
		return nil
	})
	if err == nil {
		st.erasures.Store(all)
	}
	return err
}

// remember keeps the people of an erasure, so that their events do not bring them back. The version comes of the clock: after somebody deleted the newest
// rows, the next one must not have the version of theirs.
func (e *erasing) remember(p Person, ids []PersonID) {
	people := make([][]byte, 0, len(ids)+1)
	add := func(number, id string) {
		hash := merge.HashPerson(number, id)
		people = append(people, hash[:])
	}
	if p.Number == "" {
		add("", p.ID) // at numbers that are not known yet, too
	}
	for _, id := range ids {
		add(id.Number, id.ID)
	}
	e.exec(`INSERT INTO erased (person, erased_at, version)
SELECT DISTINCT p, (SELECT clock_timestamp()), (SELECT GREATEST(COALESCE(max(version), 0) + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) FROM erased) FROM unnest($1::bytea[]) AS n (p)
ON CONFLICT (person) DO UPDATE SET erased_at = excluded.erased_at, version = excluded.version`, people)
}
