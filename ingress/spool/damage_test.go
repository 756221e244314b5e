package spool_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/ingress/spool/faultfs"
)

// damage writes a segment of 20 records and damages it. It returns the records that were handed over, and the process.
func damage(t *testing.T, spoil func(fs *faultfs.FS, name string, size int)) (map[string]bool, *life) {
	t.Helper()
	fs := faultfs.New()
	cfg := testConfig()
	cfg.SegmentBytes = 64 << 10
	l := mustLive(t, fs, cfg)
	for i := range 20 {
		l.mustAppend(i%2, fmt.Sprintf("%02d %s", i, strings.Repeat("y", 800)))
	}
	l.stop()
	name := files(fs, dir)[0]
	spoil(fs, name, len(fs.Content(name)))
	l = mustLive(t, fs, cfg)
	got := map[string]bool{}
	for _, records := range l.drain() {
		for _, p := range records {
			got[p[:2]] = true
		}
	}
	l.drain()
	return got, l
}

func TestBitRotCostsOneRecordAndIsKeptAside(t *testing.T) {
	const frame = 32 + 808 // header, payload with padding
	for what, spoil := range map[string]func(fs *faultfs.FS, name string, size int){
		"payload":    func(fs *faultfs.FS, name string, _ int) { fs.Flip(name, 7*frame+100) },
		"header":     func(fs *faultfs.FS, name string, _ int) { fs.Flip(name, 7*frame+9) },
		"magic":      func(fs *faultfs.FS, name string, _ int) { fs.Flip(name, 7*frame) },
		"header sum": func(fs *faultfs.FS, name string, _ int) { fs.Flip(name, 7*frame+30) },
	} {
		t.Run(what, func(t *testing.T) {
			var spoiled []byte
			got, l := damage(t, func(fs *faultfs.FS, name string, size int) {
				spoil(fs, name, size)
				spoiled = fs.Content(name)
			})
			if len(got) != 19 || got["07"] {
				t.Errorf("%d records came out, the damaged one: %v", len(got), got["07"])
			}
			kept := files(l.fs, dir+"/quarantine")
			if len(kept) != 1 || string(l.fs.Content(kept[0])) != string(spoiled) {
				t.Errorf("in quarantine: %v", kept)
			}
			if l.metric("damaged_bytes_total") < frame-8 || l.metric("segments_quarantined_total") != 1 || l.metric("quarantine_bytes") != float64(len(spoiled)) {
				t.Errorf("%v bytes damaged, %v segments, %v bytes in quarantine", l.metric("damaged_bytes_total"), l.metric("segments_quarantined_total"), l.metric("quarantine_bytes"))
			}
			if !strings.Contains(l.log(), "level=ERROR") || !l.Idle() {
				t.Errorf("idle %v, log: %s", l.Idle(), l.log())
			}
		})
	}
}

func TestUnreadableSectorCostsWhatIsInIt(t *testing.T) {
	got, l := damage(t, func(fs *faultfs.FS, name string, _ int) { fs.Unreadable(name, 8192, 12288) })
	if len(got) < 12 || len(got) > 15 || !got["00"] || !got["19"] {
		t.Errorf("%d of 20 came out", len(got))
	}
	if kept := files(l.fs, dir+"/quarantine"); len(kept) != 1 {
		t.Errorf("in quarantine: %v", kept)
	}
}

func TestTornTailIsToldAndKept(t *testing.T) {
	got, l := damage(t, func(fs *faultfs.FS, name string, size int) { fs.Truncate(name, size-32-100) })
	if len(got) != 19 || got["19"] {
		t.Errorf("%d records", len(got))
	}
	if !strings.Contains(l.log(), "level=WARN") || strings.Contains(l.log(), "level=ERROR") || len(files(l.fs, dir+"/quarantine")) != 1 {
		t.Errorf("log: %s", l.log())
	}
}

// Damage that occurs while the process runs must not keep a shard in the spool forever.
func TestRotUnderARunningProcess(t *testing.T) {
	fs := faultfs.New()
	l := mustLive(t, fs, testConfig())
	for i := range 3 {
		l.mustAppend(1, fmt.Sprint(i, strings.Repeat("z", 500)))
	}
	fs.Flip(files(fs, dir)[0], 600)
	if got := l.drain(); len(got[1]) != 2 {
		t.Errorf("%d of 3 came out", len(got[1]))
	}
	waitFor(t, "quarantine", func() bool { l.drain(); return len(files(fs, dir+"/quarantine")) == 1 })
	if l.MustSpool(1) || l.Stats().Records != 0 {
		t.Error("the shard is shut for good")
	}
}

func TestRecordThatNobodyTakesIsSetAside(t *testing.T) {
	fs := faultfs.New()
	l := mustLive(t, fs, testConfig())
	l.mustAppend(1, "poison")
	l.Read(&l.window)
	e := &l.window.Entries[0]
	fs.Inject(func(op faultfs.Op, _ string) faultfs.Fault {
		if op == faultfs.Sync {
			return faultfs.Fault{Err: syscall.EIO}
		}
		return faultfs.Fault{}
	})
	if err := l.SetAside(e); err == nil {
		t.Error("set aside on a disk that does not sync")
	}
	fs.Inject(nil)
	if err := l.SetAside(e); err != nil {
		t.Error(err)
	}
	l.Done(e, false)
	l.drain()
	found := 0
	for _, name := range files(fs, dir+"/quarantine") {
		found += strings.Count(string(fs.Content(name)), "poison")
	}
	if found < 1 || !l.Idle() || l.metric("records_set_aside_total") != 1 {
		t.Errorf("found %d times, idle %v", found, l.Idle())
	}
}

func TestInspectChangesNothingAndTellsWhatIsThere(t *testing.T) {
	fs := faultfs.New()
	cfg := testConfig()
	cfg.SegmentBytes = 64 << 10
	l := mustLive(t, fs, cfg)
	for i := range 20 {
		l.mustAppend(i%2, fmt.Sprint("record ", i))
	}
	l.Read(&l.window)
	taken := len(l.window.Entries)
	for i := range l.window.Entries {
		l.Done(&l.window.Entries[i], false)
	}
	l.SaveProgress()
	l.Read(&l.window)
	if err := l.SetAside(&l.window.Entries[0]); err != nil {
		t.Fatal(err)
	}
	name := files(fs, dir)[0]
	before := len(fs.Content(name))
	fs.Flip(name, before-10) // within the last record's payload
	seen, waiting := 0, 0
	infos, err := spool.Inspect(fs, dir, func(f *spool.Found) error {
		if seen++; f.Waiting {
			waiting++
		}
		if !strings.HasPrefix(string(f.Payload), "record ") {
			t.Errorf("payload %q", f.Payload)
		}
		return nil
	})
	if err != nil || len(infos) != 2 {
		t.Fatalf("%v, %v", infos, err)
	}
	if seen != 20 || waiting != 19-taken || infos[0].Records != 19 || infos[0].Waiting != waiting || infos[0].TailBytes == 0 || infos[0].Oldest.IsZero() {
		t.Errorf("%d seen, %d waiting after %d were taken: %+v", seen, waiting, taken, infos[0])
	}
	if !infos[1].Quarantine || infos[1].Records != 1 || infos[1].Waiting != 0 {
		t.Errorf("%+v", infos[1])
	}
	if len(fs.Content(name)) != before || fs.OpenFiles() > 3 {
		t.Errorf("%d bytes, %d open files", len(fs.Content(name)), fs.OpenFiles())
	}
}

// The log tells between which times the lost records were received.
func TestDamageIsToldWithTheTimesBetweenWhichItWasReceived(t *testing.T) {
	const payloadBytes = 808
	const frame = 32 + payloadBytes
	begin := time.Now().UTC().Add(-time.Hour).Truncate(time.Millisecond)
	at := func(i int) string {
		return begin.Add(time.Duration(i) * time.Minute).Format("2006-01-02T15:04:05.000Z")
	}
	for name, tt := range map[string]struct {
		flip     int
		from, to string
	}{
		"header in the middle":  {2*frame + 9, at(1), at(3)},
		"payload in the middle": {2*frame + 100, at(1), at(3)},
		"first header":          {9, "", at(1)},
		"first payload":         {100, at(0), at(1)},
		"last header":           {4*frame + 9, at(3), ""},
		"last payload":          {4*frame + 100, at(3), at(4)},
	} {
		t.Run(name, func(t *testing.T) {
			fs := faultfs.New()
			cfg := testConfig()
			cfg.AgeMax, cfg.SegmentBytes = 2*time.Hour, 64<<10
			l := mustLive(t, fs, cfg)
			for i := range 5 {
				payload := fmt.Sprintf("%02d %s", i, strings.Repeat("y", payloadBytes-3))
				err := l.Append(1, begin.Add(time.Duration(i)*time.Minute), len(payload), func(b []byte) []byte { return append(b, payload...) }, time.Now().Add(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
			}
			l.stop()
			segment := files(fs, dir)[0]
			// Without the seal of a proper stop, the last record is the end.
			fs.Truncate(segment, 5*frame)
			fs.Flip(segment, tt.flip)
			l = mustLive(t, fs, cfg)
			l.drain()
			var line string
			for s := range strings.Lines(l.log()) {
				if strings.Contains(s, "kept in quarantine") {
					line = s
				}
			}
			for attr, want := range map[string]string{"received_from=": tt.from, "received_to=": tt.to} {
				if _, got, found := strings.Cut(line, attr); found != (want != "") || found && !strings.HasPrefix(got, want) {
					t.Errorf("want %s%s in %q", attr, want, line)
				}
			}
		})
	}
}
