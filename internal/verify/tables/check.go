package tables

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// Config says what to judge.
type Config struct {
	DB         *sql.DB
	Dialect    Dialect
	Connection kafka.Connection
	Prefix     string // of the topics' names

	Wait       time.Duration // maximum wait for a sink that is behind and does not come closer
	Poll       time.Duration // pause between two looks
	SamplesMax int           // of each kind of fault in each table
	Before     time.Time     // rows of earlier events may be missing, because of the retention of the tables. Zero: they have none
}

// Verdict is the outcome.
type Verdict struct {
	Target  string         `json:"target"`
	Behind  int64          `json:"behind"` // offsets that the sink has not read; if any, nothing is judged
	Letters int64          `json:"letters"`
	Tables  []TableVerdict `json:"tables"`
	Faults  int            `json:"faults"`
	Samples []string       `json:"samples,omitempty"`
}

// TableVerdict is the outcome for one table.
type TableVerdict struct {
	Table      string `json:"table"`
	Owed       int    `json:"owed"`
	Seen       int    `json:"seen"`
	Lost       int    `json:"lost"`       // expected rows that are missing
	Unexpected int    `json:"unexpected"` // rows without an event, or only with events about people who were erased
	Wrong      int    `json:"wrong"`      // rows that differ from the newest event
	Unjudged   int    `json:"unjudged"`   // rows that retention removed from the tables, or whose events it removed from the topics
	Erased     int    `json:"erased"`     // rows that an erasure removed
}

// OK reports whether something was judged, without a fault.
func (v *Verdict) OK() bool {
	return v.Behind == 0 && v.Faults == 0 && slices.ContainsFunc(v.Tables, func(t TableVerdict) bool { return t.Seen > 0 })
}

// Check waits until the sink is at the ends of the topics, and judges its tables. It gives up a sink that did not come
// closer to the ends for Config.Wait.
func Check(ctx context.Context, cfg Config) (*Verdict, error) {
	v, err := check(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("check the tables in %s: %w", cfg.Dialect.Name, err)
	}
	return v, nil
}

func check(ctx context.Context, cfg Config) (*Verdict, error) {
	byName := map[string]schemas.Topic{}
	var names []string
	for _, t := range schemas.Topics() {
		switch t {
		case schemas.TopicRawLive, schemas.TopicRawBulk, schemas.TopicRerouted, schemas.TopicDLQ, schemas.TopicState:
		default:
			names = append(names, t.Name(cfg.Prefix))
			byName[t.Name(cfg.Prefix)] = t
		}
	}
	reader, err := kafka.NewReader(cfg.Connection, names)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	reader.MayMiss(schemas.TopicAssets.Name(cfg.Prefix))
	v := &Verdict{Target: cfg.Dialect.Name}
	for p := (patience{wait: cfg.Wait, least: math.MaxInt64}); ; {
		ranges, err := reader.Ranges(ctx, kafka.FromStart())
		if err != nil {
			return nil, err
		}
		if v.Behind, err = behind(ctx, cfg.DB, ranges, byName); err != nil {
			return nil, err
		}
		if v.Behind == 0 {
			want := newRows()
			if want.erasures, err = readErasures(ctx, cfg.DB, cfg.Dialect); err != nil {
				return nil, err
			}
			if err := reader.ReadRanges(ctx, ranges, func(r *kgo.Record) error {
				_ = want.add(byName[r.Topic], r) // a record that cannot be read has to be a letter
				return nil
			}); err != nil {
				return nil, err
			}
			return v, v.judge(ctx, cfg, want, cutOf(ranges, byName))
		}
		if p.over(time.Now(), v.Behind) {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(cfg.Poll):
		}
	}
}

// patience bounds the wait for a sink that is behind. The wait begins again whenever the sink is closer than ever before.
type patience struct {
	wait  time.Duration
	least int64 // offsets
	until time.Time
}

// over reports whether the wait is over for a sink that is behind by some offsets.
func (p *patience) over(now time.Time, behind int64) bool {
	if behind < p.least {
		p.least, p.until = behind, now.Add(p.wait)
	}
	return now.After(p.until)
}

// behind counts the offsets between the positions of the tables and the ends of the topics.
func behind(ctx context.Context, db *sql.DB, ranges map[kafka.TopicPartition]kafka.Range, byName map[string]schemas.Topic) (n int64, err error) {
	positions := map[kafka.TopicPartition]int64{}
	var topic string
	var partition int32
	var next int64
	if err := each(ctx, db, "SELECT topic, partition, next FROM positions", []any{&topic, &partition, &next}, func() {
		positions[kafka.TopicPartition{Topic: topic, ID: partition}] = next
	}); err != nil {
		return 0, err
	}
	for at, r := range ranges {
		next, ok := positions[kafka.TopicPartition{Topic: byName[at.Topic].String(), ID: at.ID}]
		if !ok {
			next = r.Start
		}
		n += max(0, r.End-next)
	}
	return n, nil
}

func (v *Verdict) judge(ctx context.Context, cfg Config, want *rows, cut map[int32]bool) error {
	have, chats, err := read(ctx, cfg.DB, cfg.Dialect)
	if err != nil {
		return err
	}
	if err := cfg.DB.QueryRowContext(ctx, "SELECT count(*) FROM letters").Scan(&v.Letters); err != nil {
		return err
	}
	if err := want.readNobody(ctx, cfg.DB); err != nil {
		return err
	}
	want.foldSyncs()
	for key, value := range chats {
		want.at(threads, key).take(0, value, 0)
	}
	for _, name := range tableNames() {
		t := TableVerdict{Table: name, Owed: len(want.of[name]), Seen: len(have[name])}
		samples := map[string]int{}
		fault := func(n *int, kind, key string) {
			*n++
			v.Faults++
			if samples[kind]++; samples[kind] <= cfg.SamplesMax {
				v.Samples = append(v.Samples, fmt.Sprintf("%s: %s: %q", name, kind, key))
			}
		}
		for key, b := range want.of[name] {
			value, ok := have[name][key]
			switch {
			case !ok && want.removed(name, key, cfg.Before), ok && !b.values[value] && want.unknown(name, key, cut):
				t.Unjudged++
			case !ok && want.goneWithAMessage(name, key):
				t.Erased++
			case !ok:
				fault(&t.Lost, "lost", key)
			case !b.values[value]:
				fault(&t.Wrong, "wrong", key)
			}
		}
		for key := range have[name] {
			switch {
			case want.of[name][key] != nil, want.erased != nil && want.erased.of[name][key] != nil:
			case want.unknown(name, key, cut), name == syncs && want.outlived(key):
				t.Unjudged++
			default:
				fault(&t.Unexpected, "unexpected", key)
			}
		}
		want.judgeErased(&t, have[name], func(key string) { fault(&t.Unexpected, "erased, and there", key) })
		v.Tables = append(v.Tables, t)
	}
	slices.Sort(v.Samples)
	return nil
}

// WriteTable writes the verdict for people.
func (v *Verdict) WriteTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(tw, "%s\towed\tseen\tlost\tunexpected\twrong\tunjudged\terased\t\n", v.Target)
	for _, t := range v.Tables {
		_, _ = fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", t.Table, t.Owed, t.Seen, t.Lost, t.Unexpected, t.Wrong, t.Unjudged, t.Erased)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, s := range v.Samples {
		_, _ = fmt.Fprintln(w, s)
	}
	verdict := "OK"
	switch {
	case v.Behind > 0:
		verdict = fmt.Sprintf("FAIL: the sink is %d offsets behind, and was not judged", v.Behind)
	case v.Faults > 0:
		verdict = fmt.Sprintf("FAIL: %d faults", v.Faults)
	case !v.OK():
		verdict = "FAIL: the tables are empty"
	}
	_, err := fmt.Fprintf(w, "%s tables: %s, %d records set aside\n", v.Target, verdict, v.Letters)
	return err
}
