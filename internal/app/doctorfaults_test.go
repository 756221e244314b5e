package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	adminlistener "github.com/coexstream/coexstream/internal/admin"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors"
)

// process runs a processor whose clock is ahead by what it returns, and the admin listener of its process.
func (p *patient) process() (admin string, ahead *atomic.Int64, stop func()) {
	p.t.Helper()
	cfg := processors.DefaultConfig()
	cfg.Brokers, cfg.InstanceID, cfg.SessionTimeout = p.addrs, "p0", 6*time.Second
	ahead = &atomic.Int64{}
	registry := prometheus.NewRegistry()
	proc, err := processors.New(cfg, processors.Deps{Registerer: registry, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	if err != nil {
		p.t.Fatal(err)
	}
	health := &adminlistener.Health{}
	health.Add("processor", proc.Ready)
	server, err := adminlistener.Listen(p.t.Context(), "127.0.0.1:0", 16, adminlistener.Access{}, adminlistener.Deps{Metrics: registry, Health: health, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.t.Fatal(err)
	}
	serving, endServing := context.WithCancel(p.t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Run(serving) }()
	p.t.Cleanup(func() { // it answers while the processor does not run
		endServing()
		if err := <-served; err != nil {
			p.t.Errorf("admin listener: %v", err)
		}
	})
	ctx, cancel := context.WithCancel(p.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- proc.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				p.t.Errorf("processor: %v", err)
			}
		})
	}
	p.t.Cleanup(stop)
	return "http://" + server.Addr(), ahead, stop
}

// put writes a webhook of a business to a partition of raw.live.
func (p *patient) put(partition int32, ids ...string) {
	p.t.Helper()
	cl := p.client()
	for _, id := range ids {
		body := fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"smb_message_echoes","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550100","phone_number_id":"91"},"message_echoes":[{"from":"15550100","to":"15550199","id":%q,"timestamp":"1772366400","type":"text","text":{"body":"x"}}]}}]}]}`, id)
		r := &kgo.Record{Topic: "coex.raw.live", Partition: partition, Key: []byte("1"), Value: []byte(body)}
		if err := cl.ProduceSync(p.t.Context(), r).FirstErr(); err != nil {
			p.t.Fatal(err)
		}
	}
}

// processed waits until the group has committed as far in a partition of raw.live.
func (p *patient) processed(partition int32, offset int64) (o kadm.OffsetResponse) {
	p.t.Helper()
	adm := kadm.NewClient(p.client())
	p.until("processed", func() (string, bool) {
		all, err := adm.FetchOffsets(p.t.Context(), "coexstream")
		o, _ = all.Lookup("coex.raw.live", partition)
		return fmt.Sprintf("%+v %v", o, err), err == nil && o.At >= offset
	})
	return o
}

// one is the partition of business 1.
func (p *patient) one() int32 { return kafka.Partition([]byte("1"), 2) }

func TestDoctorFindsADataFolderThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", "dangling"); err != nil {
		t.Fatal(err)
	}
	for folder, says := range map[string]string{
		"file/data":     "not a directory",
		"file":          "",
		"dangling":      "is a link to nowhere, which is not there",
		"dangling/data": "is a link to nowhere, which is not there",
	} {
		out, stderr, code := invoke(t, nil, "doctor", "--only", "disk,secrets", "--data-dir", filepath.Join(dir, folder), "--brokers", "127.0.0.1:1")
		if code != ExitFaults || !strings.Contains(out, "FAIL  disk") || !strings.Contains(out, says) {
			t.Errorf("%s: exit code %d\n%s%s", folder, code, out, stderr)
		}
	}
}

func TestDoctorFindsARawPartitionThatWasCut(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	_, _, stop := p.process()
	p.put(p.one(), "e1", "e2", "e3")
	o := p.processed(p.one(), 3)
	stop()
	// The group is where the log does not reach any more.
	adm := kadm.NewClient(p.client())
	p.until("the group is empty", func() (string, bool) {
		got, _ := p.findings("--only", "group")
		return got, strings.Contains(got, "no processor is in the group (Empty)")
	})
	os := kadm.Offsets{}
	os.Add(kadm.Offset{Topic: o.Topic, Partition: o.Partition, At: 50, LeaderEpoch: -1, Metadata: o.Metadata})
	if err := adm.CommitAllOffsets(t.Context(), "coexstream", os); err != nil {
		t.Fatal(err)
	}
	got, code := p.findings("--only", "lag")
	p.expect(got, fmt.Sprintf("fail lag coex.raw.live/%d (47 offsets): the log ends before processed offsets", p.one()))
	if code != ExitFaults {
		t.Errorf("exit code %d", code)
	}
	// A processor continues, and its finding is still reported.
	p.put(p.one(), "e4")
	_, _, stop = p.process()
	p.until("told what the processor found", func() (string, bool) {
		got, _ := p.findings("--only", "lag")
		return got, strings.Contains(got, "fail lag coex.raw.live: ") && strings.Contains(got, "a processor found it cut, in 1 partition: 46 offsets are gone, and it continued") &&
			strings.Contains(got, "ok lag coex.raw.live: 2 partitions, nothing waits")
	})
	stop()
}

func TestDoctorFindsATopicThatWasMadeAgain(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	_, _, stop := p.process()
	p.put(p.one(), "e1", "e2", "e3")
	p.processed(p.one(), 3)
	stop()
	if err := p.kfake.DeleteTopic("coex.raw.live"); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := invoke(t, nil, append([]string{"topics", "create"}, p.flags...)...); code != ExitOK {
		t.Fatal(stderr)
	}
	got, _ := p.findings("--only", "lag")
	p.expect(got, "the topic was deleted and created again since it was processed")
}

func TestDoctorFindsAnEventPartitionThatCannotBeRead(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	_, _, stop := p.process()
	p.put(p.one(), "e1")
	p.processed(p.one(), 1)
	stop()
	got, _ := p.findings("--only", "reading")
	p.expect(got, "ok reading : 28 partitions can be read, start and end")
	rotten := p.kfake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "coex.echoes", Err: kerr.CorruptMessage, Count: -1})
	got, code := p.findings("--only", "reading")
	p.expect(got, fmt.Sprintf("fail reading coex.echoes/%d@0: 1 partition cannot be read", p.one()))
	if code != ExitFaults {
		t.Errorf("exit code %d", code)
	}
	rotten.Remove()
}

func TestDoctorFindsLostState(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	_, _, stop := p.process()
	p.put(p.one(), "e1")
	p.processed(p.one(), 1)
	stop()
	got, _ := p.findings("--only", "state")
	p.expect(got, "ok state coex.state: 2 partitions, and no record of their state is missing")
	if err := p.kfake.DeleteRecords("coex.state", p.one(), -1); err != nil {
		t.Fatal(err)
	}
	got, code := p.findings("--only", "state")
	p.expect(got, fmt.Sprintf("fail state coex.state: partitions %d have lost their records", p.one()))
	if code != ExitFaults {
		t.Errorf("exit code %d", code)
	}
}

// TestDoctorFindsAProcessorThatDoesNotGetOn: it is stuck in one transaction, or its transaction fails each time.
func TestDoctorFindsAProcessorThatDoesNotGetOn(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*patient) (met func() bool, over func()){
		"stuck": func(p *patient) (func() bool, func()) {
			var met atomic.Bool
			gone := make(chan struct{})
			p.kfake.ControlKey(int16(kmsg.Produce), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
				if kreq.(*kmsg.ProduceRequest).TransactionID == nil {
					return nil, nil, false
				}
				met.Store(true)
				p.kfake.SleepControl(func() { <-gone })
				return nil, nil, false
			})
			return met.Load, func() { close(gone) }
		},
		"poison": func(p *patient) (func() bool, func()) {
			f := p.kfake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "coex.echoes", Partitions: []int32{p.one()}, Err: kerr.InvalidRecord, Count: -1})
			return func() bool {
				ctx, cancel := context.WithTimeout(p.t.Context(), time.Millisecond)
				defer cancel()
				return f.Wait(ctx, 1) == nil
			}, func() { f.Remove() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			admin, ahead, stop := p.process()
			p.until("ready", func() (string, bool) {
				got, _ := p.findings("--only", "processes", "--admin", admin)
				return got, strings.Contains(got, "ok processes "+admin+": ready")
			})
			met, over := fault(p)
			p.put(p.one(), "e1")
			p.until("at work", func() (string, bool) { return "", met() })
			ahead.Store(int64(2 * time.Minute))
			got, code := p.findings("--only", "processes", "--admin", admin)
			p.expect(got, "fail processes "+admin+": not ready: ", fmt.Sprintf("records of partition %d have waited for 2m", p.one()), "without progress")
			if code != ExitFaults {
				t.Errorf("exit code %d", code)
			}
			over()
			p.until("ready again", func() (string, bool) {
				got, _ := p.findings("--only", "processes", "--admin", admin)
				return got, strings.Contains(got, "ok processes "+admin+": ready")
			})
			stop()
		})
	}
}

// TestDoctorFindsAProcessorThatCannotReadItsState: it serves the other partitions.
func TestDoctorFindsAProcessorThatCannotReadItsState(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	r := &kgo.Record{Topic: "coex.state", Partition: p.one(), Key: []byte("z|of a version to come"), Value: []byte("{}")}
	if err := p.client().ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	admin, _, _ := p.process()
	p.until("told", func() (string, bool) {
		got, code := p.findings("--only", "processes", "--admin", admin)
		return got, code == ExitFaults && strings.Contains(got, "fail processes "+admin+": 1 partition is not served") &&
			strings.Contains(got, fmt.Sprintf(`coex.state/%d@0, key "z|of a version to come"`, p.one()))
	})
}
