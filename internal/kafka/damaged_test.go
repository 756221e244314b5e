package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The file of a partition is damaged while the broker runs. Records before the damage are read, and then there is an
// error.
func TestReadingADamagedBatchEndsWithAnErrorThatNamesIt(t *testing.T) {
	const fromLength, fromMagic, fromRecords = 8, 16, 61 // of a batch
	for name, at := range map[string]int{"records": fromRecords, "length": fromLength, "magic": fromMagic} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(dir))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			conn := Connection{Brokers: c.ListenAddrs(), ClientID: "test", DialTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second}
			if _, err := newAdmin(t, conn).Create(t.Context(), testLayout()); err != nil {
				t.Fatal(err)
			}
			const records, damaged = 9, 4
			produce(t, conn, "test.raw.live", 0, records)
			flip(t, dir, damaged, records, at)

			r := newReader(t, conn, "test.raw.live")
			ranges, err := r.Ranges(t.Context(), FromStart())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			n := 0
			err = r.ReadRanges(ctx, ranges, func(*kgo.Record) error { n++; return nil })
			if !errors.Is(err, ErrDamaged) || !strings.Contains(fmt.Sprint(err), fmt.Sprintf("test.raw.live/0@%d", damaged)) || n != damaged {
				t.Errorf("%d records, want %d; %v", n, damaged, err)
			}
			n = 0
			err = r.Follow(ctx, FromStart(), func(*kgo.Record) error { n++; return nil })
			if !errors.Is(err, ErrDamaged) || !strings.Contains(fmt.Sprint(err), fmt.Sprintf("test.raw.live/0@%d", damaged)) || n != damaged {
				t.Errorf("followed: %d records, want %d; %v", n, damaged, err)
			}
			err = r.fetcher.ReadAll(ctx, "test.raw.live", 0, damaged, func(*kgo.Record) error { return nil })
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("all that is behind it: %v", err)
			}
			leaders, err := r.fetcher.Leaders(ctx, "test.raw.live")
			if err != nil {
				t.Fatal(err)
			}
			from := func(offset int64) SpotFetched {
				t.Helper()
				got, err := r.fetcher.FetchFrom(ctx, leaders[0], "test.raw.live", []Spot{{0, offset}}, 1<<20, 1<<20, 0)
				if err != nil || len(got) != 1 {
					t.Fatalf("%d partitions, %v", len(got), err)
				}
				return got[0]
			}
			if got := from(0); got.Err != nil || len(got.Records) != damaged || got.Next != damaged {
				t.Errorf("before the damage are %d records up to %d, %v", len(got.Records), got.Next, got.Err)
			}
			if got := from(damaged); !errors.Is(got.Err, ErrDamaged) {
				t.Errorf("at the damage: %v", got.Err)
			}
			got, err := r.fetcher.Fetch(ctx, "test.raw.live", 0, damaged+1, 1<<20, 0)
			if err != nil || len(got.Records) != records-damaged-1 {
				t.Errorf("behind it are %d records, %v", len(got.Records), err)
			}
		})
	}
}

// flip changes a byte of one of so many batches of equal length.
func flip(t *testing.T, dir string, batch, batches, at int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "partitions", "test.raw.live-0", "*.dat"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files of the partition: %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil || len(b)%batches != 0 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at += len(b) / batches * batch
	if _, err := f.WriteAt([]byte{b[at] ^ 0x55}, int64(at)); err != nil {
		t.Fatal(err)
	}
}
