package deliveries

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/verify/receiver"
	"github.com/coexstream/coexstream/schemas"
)

// Config says what to judge.
type Config struct {
	File       string              // of a receiver
	Endpoints  []receiver.Endpoint // of which the file names one
	Connection kafka.Connection
	Prefix     string // of the topics' names
	Restarts   int    // how often processes of the sink ended or lost their partitions with requests in flight

	Wait       time.Duration // maximum wait without another arrival
	Poll       time.Duration // pause between two looks
	SamplesMax int           // of each kind of fault
}

// Files lists the files of receivers: the file itself, or those in the folder.
func Files(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	files, err := filepath.Glob(filepath.Join(path, "*"+receiver.Extension))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("the folder %s has no file of a receiver: %w", path, fs.ErrNotExist)
	}
	slices.Sort(files)
	return files, err
}

// errStop ends the reading of a file early.
var errStop = errors.New("enough")

// head is the first line of a file.
func head(file string) (*receiver.Start, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	var start *receiver.Start
	_, err = receiver.Read(f, func(l *receiver.Line) error {
		start = l.Start
		return errStop
	})
	if err != nil && !errors.Is(err, errStop) {
		return nil, err
	}
	if start == nil {
		return nil, errors.New("it does not begin with the start of a receiver")
	}
	return start, nil
}

// Check compares the file of a receiver with the topics. It waits for missing events, until none arrived for Config.Wait.
func Check(ctx context.Context, cfg Config) (*Verdict, error) {
	v, err := check(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("check the receiver of %s: %w", cfg.File, err)
	}
	return v, nil
}

func check(ctx context.Context, cfg Config) (*Verdict, error) {
	start, err := head(cfg.File)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(cfg.Endpoints, func(e receiver.Endpoint) bool { return e.Name == start.Endpoint })
	if i < 0 {
		return nil, fmt.Errorf("sink.webhook.endpoints_file has no endpoint %q", start.Endpoint)
	}
	e := &cfg.Endpoints[i]
	names := []string{schemas.TopicDLQ.Name(cfg.Prefix)}
	byName := map[string]schemas.Topic{names[0]: schemas.TopicDLQ}
	for _, t := range topics() {
		names = append(names, t.Name(cfg.Prefix))
		byName[t.Name(cfg.Prefix)] = t
	}
	reader, err := kafka.NewReader(cfg.Connection, names)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	reader.MayMiss(schemas.TopicAssets.Name(cfg.Prefix))
	c := &checking{reader: reader, byName: byName, file: cfg.File, ledger: newLedger(e, start.AtMS, cfg.SamplesMax), at: map[kafka.TopicPartition]int64{}}
	least, until := math.MaxInt, time.Time{}
	for {
		if err := c.look(ctx); err != nil {
			return nil, err
		}
		missing := len(c.ledger.missing())
		if missing < least {
			least, until = missing, time.Now().Add(cfg.Wait)
		}
		if missing == 0 || time.Now().After(until) {
			// Each restart can repeat the requests in flight. The receiver's own restarts lose answers, and those are unconfirmed.
			return c.ledger.verdict(cfg.Restarts * e.InFlight), nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(cfg.Poll):
		}
	}
}

// checking is a running check.
type checking struct {
	reader *kafka.Reader
	byName map[string]schemas.Topic
	file   string
	read   int64                          // bytes of the file
	at     map[kafka.TopicPartition]int64 // next offsets
	ledger *ledger
}

// look reads the new records and the new lines: records first, so that each arrival that is read has its record.
func (c *checking) look(ctx context.Context) error {
	info, err := os.Stat(c.file)
	if err != nil {
		return err
	}
	ranges, err := c.reader.Ranges(ctx, kafka.FromStart())
	if err != nil {
		return err
	}
	for p, r := range ranges {
		c.ledger.removed = c.ledger.removed || r.Start > 0 && !c.byName[p.Topic].Compacted()
		ranges[p] = kafka.Range{Start: max(r.Start, c.at[p]), End: r.End}
		c.at[p] = max(r.End, c.at[p])
	}
	if err := c.reader.ReadRanges(ctx, ranges, func(r *kgo.Record) error {
		c.ledger.record(c.byName[r.Topic], r)
		return nil
	}); err != nil {
		return err
	}
	f, err := os.Open(c.file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only
	n, err := receiver.Read(io.NewSectionReader(f, c.read, info.Size()-c.read), func(l *receiver.Line) error {
		c.ledger.line(l)
		return nil
	})
	c.read += n
	return err
}
