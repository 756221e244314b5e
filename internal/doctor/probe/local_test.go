package probe

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/doctor"
)

func TestMetricsOfAllSpoolsOfAProcessAreTakenTogether(t *testing.T) {
	var fact doctor.Process
	readMetrics(strings.NewReader(`# HELP coexstream_spool_records Records in the spool that nobody has taken.
coexstream_build_info{version="1"} 1
coexstream_config_info{hash="00ff"} 1
coexstream_spool_records{topic="raw.bulk"} 2
coexstream_spool_records{topic="raw.live"} 1e+03
coexstream_spool_oldest_seconds{topic="raw.bulk"} 90.5
coexstream_spool_oldest_seconds{topic="raw.live"} 4
coexstream_spool_writable{topic="raw.bulk"} 0
coexstream_spool_writable{topic="raw.live"} 1
`), &fact)
	if want := (doctor.Spooled{Records: 1002, Oldest: 90500 * time.Millisecond}); fact.Spooled == nil || *fact.Spooled != want || fact.ConfigHash != "00ff" {
		t.Errorf("%+v, hash %q", fact.Spooled, fact.ConfigHash)
	}
	processor := doctor.Process{}
	readMetrics(strings.NewReader("coexstream_processor_partitions 4\ngarbage\ncoexstream_processor_largest_business_numbers{business=\"0a1b\"} 3000\n"+
		"coexstream_processor_largest_source_numbers{source=\"vendor\"} 30000\n"+
		"coexstream_processor_deferred_businesses 1\ncoexstream_processor_deferred_records 30\ncoexstream_processor_deferred_oldest_seconds 90\n"), &processor)
	if want := (doctor.Waiting{Businesses: 1, Records: 30, Oldest: 90 * time.Second}); processor.Waiting != want {
		t.Errorf("%+v waits, want %+v", processor.Waiting, want)
	}
	if processor.Spooled != nil || processor.ConfigHash != "" || processor.Largest != 3000 || processor.Business != "0a1b" || processor.OfSource != 30000 || processor.Source != "vendor" {
		t.Errorf("a process without a spool: %+v", processor)
	}
}

func TestMetricsOfASinkAreTakenTogether(t *testing.T) {
	var fact doctor.Process
	readMetrics(strings.NewReader(`coexstream_sink_blocked_partitions{sink="sqlite"} 1
coexstream_sink_letters_total{sink="sqlite"} 3
coexstream_sink_lag_records{lane="backlog",sink="sqlite"} 1000
coexstream_sink_lag_records{lane="live",sink="sqlite"} 2
coexstream_sink_lag_seconds{lane="backlog",sink="sqlite"} 900
coexstream_sink_lag_seconds{lane="live",sink="sqlite"} 1.5
coexstream_sink_writable{sink="sqlite"} 0
coexstream_sink_damaged_batches{sink="sqlite"} 2
coexstream_sink_letters_total{sink="other"} 0
coexstream_media_waiting_assets{lane="live"} 2
coexstream_media_waiting_assets{lane="backlog"} 5
coexstream_media_denied_businesses 3
coexstream_media_lost_offsets_total 9
coexstream_media_expiry_seconds 3600
coexstream_archive_blocked_partitions 1
coexstream_archive_damaged_batches 3
coexstream_archive_lost_offsets_total 5
coexstream_archive_waiting_offsets 17
coexstream_archive_oldest_seconds 90
coexstream_archive_rotation_seconds 600
`), &fact)
	if want := (doctor.Media{Waiting: 7, Denied: 3, Lost: 9, Expiry: time.Hour}); fact.Media == nil || *fact.Media != want {
		t.Errorf("%+v, want %+v", fact.Media, want)
	}
	if want := (doctor.Archive{Blocked: 1, Damaged: 3, Lost: 5, Waiting: 17, Oldest: 90 * time.Second, Rotation: 10 * time.Minute}); fact.Archive == nil || *fact.Archive != want {
		t.Errorf("%+v, want %+v", fact.Archive, want)
	}
	want := []doctor.Sink{{Name: "sqlite", Blocked: 1, Damaged: 2, Letters: 3, Records: 1002, Live: 1500 * time.Millisecond, NoRoom: true}, {Name: "other"}}
	if !slices.Equal(fact.Sinks, want) {
		t.Errorf("%+v, want %+v", fact.Sinks, want)
	}
}

func TestSpoolFoldersAreCountedWithTheirQuarantine(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, bytes int) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, bytes), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("raw.live/00000001-0000000000000001.v1.spool", 100)
	write("raw.live/quarantine/00000000-0000000000000000.v1.spool", 30)
	write("raw.live/quarantine/00000002-0000000000000000.v1.spool", 3)
	p := &prober{facts: &doctor.Facts{}, Options: Options{Spools: []SpoolFolder{
		{Topic: "raw.live", Path: filepath.Join(dir, "raw.live"), BytesMax: 1000},
		{Topic: "raw.bulk", Path: filepath.Join(dir, "raw.bulk"), BytesMax: 3000},
	}}}
	if err := p.spools(t.Context()); err != nil {
		t.Fatal(err)
	}
	live, bulk := p.facts.Spools[0], p.facts.Spools[1]
	if live.Bytes != 133 || live.QuarantineFiles != 2 || live.QuarantineBytes != 33 || live.BytesMax != 1000 || live.Err != nil {
		t.Errorf("live: %+v", live)
	}
	if bulk.Bytes != 0 || bulk.Err != nil {
		t.Errorf("a folder that is not there: %+v", bulk)
	}
}

func TestFolderThatIsAFileIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &prober{facts: &doctor.Facts{}, Options: Options{Folders: []Folder{{"data_dir", path}, {"data_dir", filepath.Join(path, "below")}}}}
	if err := p.folders(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range p.facts.Disks {
		if d.Err == nil {
			t.Errorf("%+v", d)
		}
	}
}

func TestFolderOfAFileSystemThatKeepsNoFilesCannotBeMade(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	p := &prober{facts: &doctor.Facts{}, Options: Options{Folders: []Folder{{"data_dir", "/proc/x/y"}}}}
	if err := p.folders(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := p.facts.Disks[0]; d.Err == nil || os.Geteuid() == 0 && !strings.Contains(d.Err.Error(), "cannot be made") {
		t.Errorf("%+v", d)
	}
}
