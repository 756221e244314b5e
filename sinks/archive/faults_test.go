package archive_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	sink "github.com/coexstream/coexstream/sinks/archive"
)

// oddLog changes what a log answers to a fetch.
type oddLog struct {
	*fakeLog
	fetch func(offset int64, bytesMax int32, got kafka.Fetched) kafka.Fetched
}

func (l *oddLog) Fetch(ctx context.Context, topic schemas.Topic, partition int32, offset int64, bytesMax int32) (kafka.Fetched, error) {
	got, err := l.fakeLog.Fetch(ctx, topic, partition, offset, bytesMax)
	if err != nil {
		return got, err
	}
	return l.fetch(offset, bytesMax, got), nil
}

// slow is a bucket that holds an object back.
type slow struct {
	archive.Bucket
	began, release chan struct{}
	once           sync.Once
}

func (s *slow) Create(ctx context.Context, name string, content []byte) error {
	if strings.HasSuffix(name, ".zst") {
		s.once.Do(func() {
			close(s.began)
			<-s.release
		})
	}
	return s.Bucket.Create(context.WithoutCancel(ctx), name, content)
}

// A process that is suspended while it writes the first object of a chain has read the log from an earlier start than its successor can.
func TestWritersBeginAChainAtOneOffset(t *testing.T) {
	t.Parallel()
	at := place{schemas.TopicRawLive, 0}
	log, bucket := newLog(1, at.topic), newMemory()
	log.fill(rand.New(rand.NewPCG(1, 1)), 60, time.Now())
	c := eager(at.topic)
	c.ObjectBytesMax = 1 << 20 // one object
	zombie := &slow{Bucket: bucket, began: make(chan struct{}), release: make(chan struct{})}
	stopZombie := started(t, newSink(t, c, log, zombie))
	<-zombie.began
	log.mu.Lock()
	log.starts[at] = log.records[at][20].Offset // retention
	log.mu.Unlock()
	stop := started(t, newSink(t, c, log, bucket))
	until(t, "the successor has archived all", func() bool { return archived(t, bucket, log) })
	close(zombie.release)
	stopZombie()
	stop()
	if records := chains(t, bucket, at.topic)[objectAt(log, at, 0).Chain]; len(records) < 40 {
		t.Errorf("%d records, want 40 at least", len(records))
	}
}

// docs/archive.md: somebody renames the folder of a blocked chain while the process runs.
func TestAChainContinuesInANewFolderAfterItsFolderIsRenamed(t *testing.T) {
	t.Parallel()
	at := place{schemas.TopicRawLive, 0}
	root := t.TempDir()
	bucket, err := archive.NewFolder(root)
	if err != nil {
		t.Fatal(err)
	}
	log := newLog(1, at.topic)
	log.fill(rand.New(rand.NewPCG(1, 1)), 50, time.Now())
	c := eager(at.topic)
	c.CutPatience, c.BlockedRetry = 20*time.Millisecond, 10*time.Millisecond
	s := newSink(t, c, log, bucket)
	stop := started(t, s)
	until(t, "all is archived", func() bool { return archived(t, bucket, log) })
	log.mu.Lock()
	log.records[at] = log.records[at][:30]
	log.ends[at] = log.records[at][29].Offset + 1
	log.mu.Unlock()
	until(t, "it is blocked", func() bool { return s.Ready() != nil })
	folder := filepath.Join(root, filepath.FromSlash(objectAt(log, at, 0).Chain.Folder("coex.")))
	if err := os.Rename(folder, filepath.Join(filepath.Dir(folder), strings.Repeat("f", 32))); err != nil {
		t.Fatal(err)
	}
	until(t, "the new chain is archived", func() bool { return archived(t, bucket, log) && s.Ready() == nil })
	stop()
	if records := chains(t, bucket, at.topic)[objectAt(log, at, 0).Chain]; len(records) != 30 {
		t.Errorf("%d records, want 30", len(records))
	}
}

// A log that was shorter than its chain, and has the archived records again, is continued when it is looked at again. One that has grown with
// other records is not.
func TestALogThatIsWholeAgainIsContinued(t *testing.T) {
	for _, another := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) { wholeAgain(t, another) })
	}
}

func wholeAgain(t *testing.T, another bool) {
	at := place{schemas.TopicRawLive, 0}
	log, bucket := newLog(1, at.topic), newMemory()
	log.fill(rand.New(rand.NewPCG(1, 1)), 20, time.Now())
	c := config(at.topic)
	s := newSink(t, c, log, bucket)
	stop := started(t, s)
	time.Sleep(c.Rotation + time.Minute)
	synctest.Wait()
	if !archived(t, bucket, log) {
		t.Fatal("the log is not archived")
	}
	ends := func(by int64) {
		log.mu.Lock()
		defer log.mu.Unlock()
		log.ends[at] += by
	}
	ends(-10)
	for range 5 { // it stays blocked as long as the log is short, also right after it was looked at
		time.Sleep(c.CutPatience + c.BlockedRetry/2)
		synctest.Wait()
		if err := s.Ready(); !errors.Is(err, sink.ErrBlocked) {
			t.Fatalf("a log that was cut: %v", err)
		}
	}
	ends(10)
	last := log.records[at][len(log.records[at])-1]
	if another {
		value := []byte("stands where the last one stood")
		log.mu.Lock()
		log.records[at][len(log.records[at])-1] = &kgo.Record{Topic: last.Topic, Offset: last.Offset, Timestamp: last.Timestamp, Key: last.Key, Value: value}
		log.mu.Unlock()
		for range 3 {
			time.Sleep(c.BlockedRetry + 2*c.Poll)
			synctest.Wait()
			if err := s.Ready(); !errors.Is(err, sink.ErrBlocked) {
				t.Fatalf("the end of a log that was cut has other records: %v", err)
			}
		}
		log.mu.Lock()
		log.records[at][len(log.records[at])-1] = last
		log.mu.Unlock()
	}
	time.Sleep(c.BlockedRetry + 2*c.Poll)
	synctest.Wait()
	if err := s.Ready(); err != nil {
		t.Errorf("the log is whole again: %v", err)
	}
	log.fill(rand.New(rand.NewPCG(2, 1)), 20, time.Now())
	time.Sleep(c.Rotation + time.Minute)
	synctest.Wait()
	stop()
	log.holds(t, bucket)
}

// grown cuts the last records of a log, and lets it grow to another length with other ones.
func (l *fakeLog) grown(at place, cut, more int, gap int64) {
	l.mu.Lock()
	n := len(l.records[at]) - cut
	l.ends[at] = l.records[at][n].Offset
	l.records[at] = slices.Clone(l.records[at][:n])
	l.mu.Unlock()
	for i := range more {
		l.add(at, kgo.Record{Timestamp: time.Now(), Value: fmt.Appendf(nil, "another %d", i)}, gap)
	}
}

// A log that was cut and has grown again blocks its chain, also for a process that starts behind that. Nothing is added to the chain.
func TestALogThatGrewBehindACutBlocksAProcessThatStarts(t *testing.T) {
	for name, grow := range map[string]func(*fakeLog, place){
		"longer than it was":              func(l *fakeLog, at place) { l.grown(at, 3, 30, 1) },
		"with other places of its marks":  func(l *fakeLog, at place) { l.grown(at, 9, 40, 3) },
		"and is as long as it was":        func(l *fakeLog, at place) { end := l.ends[at]; l.grown(at, 1, 1, 0); l.ends[at] = end },
		"and the archive ends with marks": func(l *fakeLog, at place) { l.grown(at, 2, 30, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := place{schemas.TopicRawLive, 0}
				log, bucket := newLog(1, at.topic), newMemory()
				log.fill(rand.New(rand.NewPCG(1, 1)), 20, time.Now())
				c := config(at.topic)
				stop := started(t, newSink(t, c, log, bucket))
				time.Sleep(c.Rotation + time.Minute)
				if strings.HasSuffix(name, "marks") {
					log.mu.Lock()
					log.ends[at] += 5
					log.mu.Unlock()
					time.Sleep(2 * time.Hour)
				}
				stop()
				objects := len(bucket.names())
				grow(log, at)
				for range 2 { // the second one is a restart of a process that is blocked
					s := newSink(t, c, log, bucket)
					stop := started(t, s)
					time.Sleep(c.Rotation + time.Minute)
					if err := s.Ready(); !errors.Is(err, sink.ErrBlocked) {
						t.Errorf("a log that was cut and has grown: %v", err)
					}
					stop()
				}
				if n := len(bucket.names()); n != objects {
					t.Errorf("%d objects, want %d", n, objects)
				}
			})
		})
	}
}

// A process that runs sees a log short for a moment only.
func TestALogThatGrewBehindACutWithinThePatienceBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := place{schemas.TopicRawLive, 0}
		log, bucket := newLog(1, at.topic), newMemory()
		log.fill(rand.New(rand.NewPCG(1, 1)), 20, time.Now())
		c := config(at.topic)
		s := newSink(t, c, log, bucket)
		stop := started(t, s)
		time.Sleep(c.Rotation + time.Minute)
		log.grown(at, 5, 0, 0)
		time.Sleep(c.CutPatience / 2)
		log.grown(at, 1, 30, 0)
		time.Sleep(c.Poll + time.Second)
		if err := s.Ready(); !errors.Is(err, sink.ErrBlocked) {
			t.Errorf("a log that was cut and has grown: %v", err)
		}
		stop()
	})
}

// Neither retention nor the repair of a damaged batch is a cut.
func TestALogWithoutItsLastArchivedRecordsIsContinued(t *testing.T) {
	for name, change := range map[string]func(*fakeLog, place){
		"retention removed all that is archived": func(l *fakeLog, at place) { l.records[at], l.starts[at] = nil, l.ends[at] },
		"retention removed a part of the last object": func(l *fakeLog, at place) {
			l.records[at] = l.records[at][19:]
			l.starts[at] = l.records[at][0].Offset
		},
		"a repair removed the last record": func(l *fakeLog, at place) { l.records[at] = l.records[at][:19] },
		"the last record is damaged": func(l *fakeLog, at place) {
			l.damaged = map[place]int64{at: l.records[at][19].Offset}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := place{schemas.TopicRawLive, 0}
				log, bucket := newLog(1, at.topic), newMemory()
				log.fill(rand.New(rand.NewPCG(1, 1)), 20, time.Now())
				c := config(at.topic)
				stop := started(t, newSink(t, c, log, bucket))
				time.Sleep(c.Rotation + time.Minute)
				stop()
				change(log, at)
				log.fill(rand.New(rand.NewPCG(2, 1)), 20, time.Now())
				s := newSink(t, c, log, bucket)
				stop = started(t, s)
				time.Sleep(c.Rotation + time.Minute)
				if err := s.Ready(); err != nil {
					t.Error(err)
				}
				stop()
				if n := len(chains(t, bucket, at.topic)[objectAt(log, at, 0).Chain]); n != 40 {
					t.Errorf("%d records, want 40", n)
				}
			})
		})
	}
}

// The end of a transaction stands before the record that waits.
func TestARestartBehindTheEndOfATransactionDoesNotBeginTheRotationAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := place{schemas.TopicMessages, 0}
		log, bucket := newLog(1, at.topic), newMemory()
		log.ends[at] = 2 // two ends of transactions
		log.add(at, kgo.Record{Timestamp: time.Now(), Value: []byte("x")}, 0)
		odd := &oddLog{log, func(offset int64, bytesMax int32, got kafka.Fetched) kafka.Fetched {
			if offset < 2 && bytesMax == 1 {
				got.Records, got.Next = nil, offset+1
			}
			return got
		}}
		for range 6 { // restarts after two minutes
			stop := started(t, newSink(t, config(at.topic), odd, bucket))
			time.Sleep(2 * time.Minute)
			stop()
		}
		log.holds(t, bucket)
	})
}

// A broker has the end of a log, and no records yet.
func TestALogWithoutRecordsBeforeItsEndIsAskedAgainAfterATime(t *testing.T) {
	for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicContacts} {
		t.Run(topic.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, bucket := newLog(1, topic), newMemory()
				log.fill(rand.New(rand.NewPCG(1, 1)), 5, time.Now())
				begin, asked := time.Now(), 0
				odd := &oddLog{log, func(offset int64, _ int32, got kafka.Fetched) kafka.Fetched {
					if asked++; time.Since(begin) < 20*time.Minute && asked < 1000 {
						got.Records, got.Next = nil, offset
					}
					return got
				}}
				stop := started(t, newSink(t, config(topic), odd, bucket))
				time.Sleep(40 * time.Minute)
				stop()
				if asked >= 1000 {
					t.Errorf("asked %d times", asked)
				}
				found := 0
				for _, records := range chains(t, bucket, topic) {
					found += len(records)
				}
				if found != 5 {
					t.Errorf("%d records, want 5", found)
				}
			})
		})
	}
}

// A topic is created again between the question for its id and the reading of its records.
func TestRecordsOfATopicThatIsCreatedAgainComeIntoItsOwnChain(t *testing.T) {
	t.Parallel()
	for _, topic := range []schemas.Topic{schemas.TopicRawLive, schemas.TopicContacts} {
		t.Run(topic.String(), func(t *testing.T) {
			t.Parallel()
			log, bucket := newLog(1, topic), newMemory()
			log.fill(rand.New(rand.NewPCG(1, 1)), 5, time.Now())
			fetches := 0
			odd := &oddLog{log, func(_ int64, bytesMax int32, got kafka.Fetched) kafka.Fetched {
				if bytesMax == 1 {
					return got
				}
				if fetches++; fetches == 1 {
					log.mu.Lock()
					defer log.mu.Unlock()
					log.ids[topic] = archive.LogID{2}
				}
				return got
			}}
			stop := started(t, newSink(t, eager(topic), odd, bucket))
			until(t, "the records are archived", func() bool { return len(chains(t, bucket, topic)) > 0 })
			stop()
			for c, records := range chains(t, bucket, topic) {
				if c.Log != (archive.LogID{2}) {
					t.Errorf("%d records are in the chain of log %s", len(records), c.Log)
				}
			}
		})
	}
}
