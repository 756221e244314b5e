package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coexstream/coexstream/internal/testing/postgresserver"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/merge"
	"github.com/coexstream/coexstream/sinks/postgres"
)

const perBatch = 5000

// pastBatch is one of the history of many chats.
func pastBatch(b *testing.B, n int, next int64) *sinks.Batch {
	b.Helper()
	batch := &sinks.Batch{Rows: merge.NewRows(), Advances: []sinks.Advance{{Topic: schemas.TopicHistory, From: next, To: sinks.Position{Next: max(next, 0) + perBatch, At: time.Now()}}}}
	for range perBatch {
		n++
		value := fmt.Appendf(nil, `{"waba_id":"102290129340398","phone_number_id":"106540352242922","display_phone_number":"15550783881","kind":"message","rank":1,"wamid":"wamid.HBgLMTY1MDU1NTEyMzQVAgARGBQzRUIwN0VDOUFGRjAwQTRFQjdEMgA%d","thread":"1650%07d","contact":{"wa_id":"16505551234"},"direction":"outbound","from":"15550783881","timestamp":%d,"type":"text","status":"READ","historical":true,"sync":{"window":1,"phase":0,"chunk_order":3,"progress":62},"original":{"from":"15550783881","id":"wamid.HBgLMTY1MDU1NTEyMzQVAgARGBQzRUIwN0VDOUFGRjAwQTRFQjdEMgA=","timestamp":"1739200200","type":"text","text":{"body":"Mine, and as long as what people write to each other on a normal day"},"history_context":{"status":"READ","from_me":true}}}`, n, n/50, 1739200200-n)
		e, err := event.Value(schemas.TypeHistory, value)
		if err != nil {
			b.Fatal(err)
		}
		e.ID, e.Topic = fmt.Sprint(n), schemas.TopicHistory
		batch.Rows.Add(&e, merge.Place{Offset: int64(n)})
	}
	return batch
}

// BenchmarkApply writes the history of many chats with all derived tables.
func BenchmarkApply(b *testing.B) {
	server := postgresserver.Test(b, postgresserver.Config{Fsync: true})
	if _, err := postgres.Migrate(b.Context(), server.URL("postgres"), schema); err != nil {
		b.Fatal(err)
	}
	st := opened(b, server.URL("postgres"))
	next, n := int64(-1), 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		batch := pastBatch(b, n, next)
		b.StartTimer()
		if err := st.Apply(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		next, n = max(next, 0)+perBatch, n+perBatch
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkPlainCopy is the limit: the same rows of messages into a table with nothing else, a transaction for each batch.
func BenchmarkPlainCopy(b *testing.B) {
	server := postgresserver.Test(b, postgresserver.Config{Fsync: true})
	url := server.URL("postgres")
	if _, err := postgres.Migrate(b.Context(), url, schema); err != nil {
		b.Fatal(err)
	}
	conn := connected(b, url)
	if _, err := conn.Exec(b.Context(), "CREATE TABLE bare (LIKE messages)"); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		b.StopTimer()
		batch := pastBatch(b, n, -1)
		b.StartTimer()
		if err := postgres.CopyBare(b.Context(), conn, batch, "bare"); err != nil {
			b.Fatal(err)
		}
		n += perBatch
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkRowByRow inserts the same rows one by one, 2,000 in a transaction.
func BenchmarkRowByRow(b *testing.B) {
	server := postgresserver.Test(b, postgresserver.Config{Fsync: true})
	url := server.URL("postgres")
	if _, err := postgres.Migrate(b.Context(), url, schema); err != nil {
		b.Fatal(err)
	}
	conn := connected(b, url)
	n := 0
	for b.Loop() {
		b.StopTimer()
		batch := pastBatch(b, n, -1)
		b.StartTimer()
		rows := postgres.ContentRows(batch)
		for len(rows) > 0 {
			some := rows[:min(2000, len(rows))]
			err := pgx.BeginFunc(b.Context(), conn, func(tx pgx.Tx) error {
				for _, row := range some {
					if _, err := tx.Exec(b.Context(), postgres.InsertMessage, row...); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			rows = rows[len(some):]
		}
		n += perBatch
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
}
