package doctor

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/schemas"
)

var now = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

// healthy are the facts of a deployment in which nothing is wrong.
func healthy(t *testing.T) *Facts {
	t.Helper()
	t.Chdir(t.TempDir())
	c, err := config.Load(config.Input{Flags: map[string]string{"kafka.partitions": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	f := &Facts{
		Now: now, Config: c, Failed: map[string]error{}, Absent: map[string]bool{},
		Sources: []config.Source{{
			Name: "meta", VerifyToken: strings.Repeat("v", 32), SignatureRequired: true,
			Secrets: []config.Secret{{ID: "app", Value: strings.Repeat("s", 32)}},
		}},
		Secrets:      []SecretFile{{Key: "secret", Path: "/run/secret", Mode: 0o600}},
		Certificates: []Certificate{{Key: "ingress.tls.cert_file", Path: "/tls.crt", NotBefore: now.Add(-time.Hour), NotAfter: now.Add(60 * 24 * time.Hour)}},
		Disks:        []Disk{{Key: "data_dir", Path: "/data", Exists: true, FreeBytes: 50 << 30, AllBytes: 100 << 30}},
		Spools:       []Spool{{Topic: "raw.live", Path: "/data/spool/raw.live", BytesMax: 1 << 30}},
		BrokerData:   &BrokerData{Path: "/data/broker"},
		Processes:    []Process{{URL: "http://a", Sinks: []Sink{{Name: "sqlite"}}, Spooled: &Spooled{Writable: true}, Ready: true, ConfigHash: "1", OwnHash: "1", Timed: true, Ahead: time.Second}},
		Bootstrap:    []Bootstrap{{Address: "kafka-1:9092"}},
		Brokers:      []Broker{{ID: 1, Address: "kafka-1:9092", Controller: true, Version: "v4.1"}, {ID: 2, Address: "kafka-2:9092", Version: "v4.1"}},
		Settings: map[string]string{
			"transaction.max.timeout.ms": "900000", "offsets.retention.minutes": "43200", "unclean.leader.election.enable": "false",
			"group.min.session.timeout.ms": "6000", "group.max.session.timeout.ms": "1800000", "socket.request.max.bytes": "104857600",
		},
		Topics:      Topics{Compared: 13},
		Partitions:  []Partition{{Topic: "coex.raw.live", Leader: 1, Replicas: 3, InSync: 3, MinInSync: 2}, {Topic: "__consumer_offsets", Leader: 1, Replicas: 3, InSync: 3, Internal: true}},
		Group:       Group{State: "Stable", Members: []Member{{Name: "a", Partitions: 1}, {Name: "b", Partitions: 1}}},
		DeadLetters: DeadLetters{Within: 24 * time.Hour},
		Syncs:       []schemas.Sync{{PhoneNumberID: "1001", State: schemas.SyncRunning, LastAt: now.Add(-time.Minute)}},
		Newest:      []Newest{{Topic: "coex.raw.live", At: now.Add(-time.Hour)}},
	}
	for _, topic := range schemas.Inputs() {
		for p := range int32(2) {
			f.Inputs = append(f.Inputs, Input{Topic: topic, Partition: p, Committed: 10, Start: 5, Stable: 10, ID: [16]byte{1}, ReadID: [16]byte{1}, Seen: 10})
		}
	}
	f.States = []State{
		{Partition: 0, End: 20, Committed: true, ID: [16]byte{2}, Marked: true, MarkedID: [16]byte{2}, Records: 4, Seen: 12},
		{Partition: 1, Committed: true, ID: [16]byte{2}, Marked: true, MarkedID: [16]byte{2}}, // nothing was written to it yet
	}
	f.Reading = Reading{Partitions: 26}
	return f
}

func TestNothingIsFoundWhereNothingIsWrong(t *testing.T) {
	r := Judge(healthy(t), Names())
	for _, f := range r.Findings {
		if f.Status != OK || f.Do != "" {
			t.Errorf("%+v", f)
		}
	}
	var seen []string
	for _, f := range r.Findings {
		if !slices.Contains(seen, f.Check) {
			seen = append(seen, f.Check)
		}
	}
	if !slices.Equal(seen, Names()) {
		t.Errorf("checks %v, want %v", seen, Names())
	}
	if r.Counts.OK != len(r.Findings) {
		t.Errorf("counts: %+v of %d", r.Counts, len(r.Findings))
	}
}

// waits makes the first partition of an input have a record of that age.
func waits(f *Facts, topic schemas.Topic, age time.Duration) {
	for i := range f.Inputs {
		if in := &f.Inputs[i]; in.Topic == topic && in.Partition == 0 {
			in.Stable, in.Waiting, in.OldestAt = 17, true, f.Now.Add(-age)
		}
	}
}

func TestEachFaultIsFound(t *testing.T) {
	at := func(d time.Duration) *time.Time { x := now.Add(d); return &x }
	for _, tt := range []struct {
		name   string
		damage func(*Facts)
		check  string
		status Status
		on     string
		says   string
	}{
		// Configuration.
		{"invalid", func(f *Facts) { f.Config, f.ConfigErr = nil, errors.New("kafka.partitions: \"0\"") }, "config", Fail, "", "kafka.partitions"},
		{"invalid twice, the first problem", func(f *Facts) { f.Config, f.ConfigErr = nil, errors.New("invalid configuration:\n  a: one\n  b: two") }, "config", Fail, "", "a: one"},
		{"invalid twice, the second problem", func(f *Facts) { f.Config, f.ConfigErr = nil, errors.New("invalid configuration:\n  a: one\n  b: two") }, "config", Fail, "", "b: two"},
		{"a part refuses it", func(f *Facts) { f.ConfigErr = errors.New("ingress.listen is empty") }, "config", Fail, "", "ingress.listen"},
		{"senders give up first", func(f *Facts) { f.Config.Ingress.AckTimeout = 5 * time.Second }, "config", Warn, "ingress.ack_timeout", "5s: senders give up after 5s"},
		{"drain cut off", func(f *Facts) { f.Config.Ingress.DrainDelay = 28 * time.Second }, "config", Warn, "shutdown_timeout", "30s: shorter than"},
		{"long transactions", func(f *Facts) { f.Config.Processor.TransactionTimeout = 3 * time.Minute }, "config", Warn, "processor.rebalance_timeout", "2m: shorter than processor.transaction_timeout (3m)"},
		{"held chunks expire", func(f *Facts) { f.Config.Topics.Raw.Retention = 30 * time.Minute }, "config", Fail, "topics.raw.retention", "deleted before it leaves"},
		{"rerouted chunks expire", func(f *Facts) { f.Config.Topics.Rerouted.Retention = time.Minute }, "config", Fail, "topics.rerouted.retention", "deleted before it leaves"},
		{"no replay of long syncs", func(f *Facts) { f.Config.Topics.Raw.Retention = 5 * 24 * time.Hour }, "config", Warn, "topics.raw.retention", "cannot be replayed"},
		{"dedup outlives raw", func(f *Facts) { f.Config.Processor.DedupWindow = 20 * 24 * time.Hour }, "config", Warn, "processor.dedup_window", "20d: longer than topics.raw.retention (14d)"},
		{"media outlives raw", func(f *Facts) { f.Config.Processor.Media.Hold = f.Config.Topics.Raw.Retention }, "config", Warn, "processor.media.hold", "14d: not shorter"},
		{"processor takes less", func(f *Facts) { f.Config.Processor.BodyBytesMax = 1 << 20 }, "config", Fail, "processor.body_bytes_max", "1 MiB: less than the ingress lets in (16 MiB)"},
		{"one copy suffices", func(f *Facts) { f.Config.Kafka.MinInsyncReplicas = 1 }, "config", Warn, "kafka.min_insync_replicas", "1 of 3"},
		{"all copies needed", func(f *Facts) { f.Config.Kafka.MinInsyncReplicas = 3 }, "config", Warn, "kafka.min_insync_replicas", "one broker is away"},

		// Secrets.
		{"no verify token", func(f *Facts) { f.Sources[0].VerifyToken = "" }, "secrets", Warn, "source meta", "no verify token"},
		{"unsigned", func(f *Facts) { f.Sources[0].SignatureRequired = false }, "secrets", Warn, "source meta", "not required"},
		{"weak secret", func(f *Facts) { f.Sources[0].Secrets[0].Value = "hunter2" }, "secrets", Warn, "source meta, secret app", "less than 16"},
		{"space in secret", func(f *Facts) { f.Sources[0].Secrets[0].Value += " " }, "secrets", Fail, "source meta, secret app", "white space"},
		{"everybody reads", func(f *Facts) { f.Secrets[0].Mode = 0o644 }, "secrets", Warn, "/run/secret", "-rw-r--r--"},
		{"everybody writes", func(f *Facts) { f.Secrets[0].Mode = 0o666 }, "secrets", Fail, "/run/secret", "can write"},
		{"unreadable", func(f *Facts) { f.Secrets[0].Err = fs.ErrPermission }, "secrets", Fail, "/run/secret", "permission denied"},
		{"everybody reads a token", func(f *Facts) {
			f.Tokens = &TokenFiles{Key: "desk.tokens_dir", Path: "/tokens", Files: 1, Readable: []string{"meta/9"}}
		}, "secrets", Warn, "/tokens", "read meta/9"},
		{"everybody writes a token", func(f *Facts) {
			f.Tokens = &TokenFiles{Key: "desk.tokens_dir", Path: "/tokens", Files: 1, Writable: []string{"meta/9"}}
		}, "secrets", Fail, "/tokens", "write to meta/9"},
		{"unreadable token", func(f *Facts) {
			f.Tokens = &TokenFiles{Key: "desk.tokens_dir", Path: "/tokens", Files: 1, Unread: []string{"meta/9"}}
		}, "secrets", Fail, "/tokens", "meta/9 cannot be read"},
		{"no folder of tokens", func(f *Facts) { f.Tokens = &TokenFiles{Key: "desk.tokens_dir", Path: "/tokens", Absent: true} }, "secrets", Skip, "/tokens", "a desk needs it"},
		{"a file as folder of tokens", func(f *Facts) { f.Tokens = &TokenFiles{Key: "desk.tokens_dir", Path: "/tokens", Err: fs.ErrInvalid} }, "secrets", Fail, "/tokens", "invalid argument"},
		{"plain desk", func(f *Facts) { f.Config.Desk.URL = "http://desk.internal:9090" }, "config", Warn, "desk.url", "plain text"},
		{"no source", func(f *Facts) { f.Sources = nil }, "secrets", Skip, "ingress.sources", "no source"},

		// Certificates.
		{"unreadable certificate", func(f *Facts) { f.Certificates[0].Err = fs.ErrNotExist }, "certificates", Fail, "/tls.crt", "not exist"},
		{"expires", func(f *Facts) { f.Certificates[0].NotAfter = now.Add(10 * 24 * time.Hour) }, "certificates", Warn, "/tls.crt", "ingress.tls.cert_file: expires in 10d"},
		{"expires at once", func(f *Facts) { f.Certificates[0].NotAfter = now.Add(time.Hour) }, "certificates", Fail, "/tls.crt", "expires in 1h"},
		{"expired", func(f *Facts) { f.Certificates[0].NotAfter = now.Add(-time.Hour) }, "certificates", Fail, "/tls.crt", "expired 1h ago"},
		{"not yet", func(f *Facts) { f.Certificates[0].NotBefore = now.Add(time.Hour) }, "certificates", Fail, "/tls.crt", "valid only in 1h"},
		{"no certificate", func(f *Facts) { f.Certificates = nil }, "certificates", Skip, "", "no certificate"},

		// This machine.
		{"disk fills", func(f *Facts) { f.Disks[0].FreeBytes = 10 << 30 }, "disk", Warn, "/data", "only 10 GiB of 100 GiB are free (10 %)"},
		{"disk nearly full", func(f *Facts) { f.Disks[0].FreeBytes = 4 << 30 }, "disk", Fail, "/data", "(4 %)"},
		{"small disk full", func(f *Facts) { f.Disks[0].AllBytes, f.Disks[0].FreeBytes = 2<<30, 900<<20 }, "disk", Fail, "/data", "900 MiB"},
		{"read-only", func(f *Facts) { f.Disks[0].Err = errors.New("read-only file system") }, "disk", Fail, "/data", "read-only"},
		{"cut", func(f *Facts) { f.Inputs[1].Committed, f.Inputs[1].Seen = 30, 34 }, "lag", Fail, "coex.raw.live/1 (24 offsets)", "the log ends before processed offsets"},
		{"cut, committed by an older version", func(f *Facts) { f.Inputs[1].Committed, f.Inputs[1].ReadID, f.Inputs[1].Seen = 30, [16]byte{}, 0 }, "lag", Fail, "coex.raw.live/1 (20 offsets)", "the log ends before processed offsets"},
		{"made again", func(f *Facts) { f.Inputs[1].ID = [16]byte{7} }, "lag", Fail, "coex.raw.live/1", "created again"},
		{"made again, its offset gone", func(f *Facts) { f.Inputs[1].ID, f.Inputs[1].Committed = [16]byte{7}, -1 }, "lag", Fail, "coex.raw.live/1", "created again"},
		{"found an hour ago", func(f *Facts) { f.Inputs[1].Fault = &LogFault{"cut", "raw.live", 3, 9, now.Add(-time.Hour)} }, "lag", Fail, "coex.raw.live", "1h ago a processor found it cut, in 1 partition: 6 offsets are gone"},
		{"found days ago", func(f *Facts) { f.Inputs[1].Fault = &LogFault{"recreated", "raw.live", 3, 9, now.Add(-72 * time.Hour)} }, "lag", Warn, "coex.raw.live", "created again"},
		{"state emptied", func(f *Facts) { f.States[0].Start = 20 }, "state", Fail, "coex.state", "partitions 0 have lost their records"},
		{"state emptied, before there were marks", func(f *Facts) { f.States[0].Start, f.States[0].Marked, f.States[0].Records = 20, false, 0 }, "state", Fail, "coex.state", "partitions 0 have lost"},
		{"state cut", func(f *Facts) { f.States[0].End = 11 }, "state", Fail, "coex.state", "partitions 0 have lost"},
		{"state made again", func(f *Facts) { f.States[0].ID = [16]byte{9} }, "state", Fail, "coex.state", "partitions 0 have lost"},
		{"state lost yesterday", func(f *Facts) { f.States[0].Fault = &LogFault{"state_lost", "state", 0, 12, now.Add(-25 * time.Hour)} }, "state", Warn, "coex.state", "without its records"},
		{"a partition that cannot be read", func(f *Facts) { f.Reading.Bad = []Unreadable{{"coex.history", 1, 17, errors.New("crc")}} }, "reading", Fail, "coex.history/1@17", "1 partition cannot be read: crc"},
		{"a processor that is stuck", func(f *Facts) {
			f.Processes[0].Ready, f.Processes[0].Reason = false, "processor: records of partition 3 have waited for 2m without progress"
		}, "processes", Fail, "http://a", "records of partition 3 have waited for 2m"},
		{"a processor that cannot read its state", func(f *Facts) {
			f.Processes[0].Ready, f.Processes[0].Blocked, f.Processes[0].Reason = false, 2, "coex.state/3@17"
		}, "processes", Fail, "http://a", "2 partitions are not served: coex.state/3@17"},
		{"a processor that waits for a damaged batch", func(f *Facts) {
			f.Processes[0].Ready, f.Processes[0].Blocked, f.Processes[0].Damaged = false, 1, 2
			f.Processes[0].Reason = "1 of 4 partitions are not served, because a batch is damaged: coex.raw.live/3@17"
		}, "processes", Fail, "http://a", "2 batches of logs are damaged: 1 of 4 partitions are not served, because a batch is damaged: coex.raw.live/3@17"},
		{"no spool", func(f *Facts) { f.Config.Ingress.Spool.Enabled = false }, "spool", Skip, "ingress.spool.enabled", "refused"},
		{"spool in use", func(f *Facts) { f.Spools[0].Bytes = 1 << 20 }, "spool", OK, "", "1 MiB of 4 GiB"},
		{"spool fills", func(f *Facts) { f.Spools[0].Bytes = 600 << 20 }, "spool", Warn, "/data/spool/raw.live", "600 MiB of 1 GiB for raw.live"},
		{"spool full", func(f *Facts) { f.Spools[0].Bytes = 1000 << 20 }, "spool", Fail, "/data/spool/raw.live", "webhooks are refused"},
		{"quarantine", func(f *Facts) { f.Spools[0].QuarantineFiles, f.Spools[0].QuarantineBytes = 2, 1<<20 }, "spool", Warn, "/data/spool/raw.live", "2 damaged or refused files in quarantine, 1 MiB"},
		{"spool unreadable", func(f *Facts) { f.Spools[0].Err = fs.ErrPermission }, "spool", Fail, "/data/spool/raw.live", "permission"},
		{"broker's data not looked at", func(f *Facts) { f.BrokerData = nil }, "broker", Skip, "", "not looked at"},
		{"no embedded broker", func(f *Facts) { f.BrokerData = &BrokerData{} }, "broker", Skip, "", "has run on this data folder"},
		{"webhooks damaged", func(f *Facts) {
			f.BrokerData.Damage = []BrokerDamage{{Lost: true, Topic: "coex.raw.live", Class: "raw.live", Partition: 2, First: 7, Last: 9, Exact: true, After: now, Before: now.Add(time.Second)}}
		}, "broker", Fail, "coex.raw.live/2", "records at offsets 7 to 9 are gone, from 2026-11-21T03:00:00Z to 2026-11-21T03:00:01Z"},
		{"end of a log damaged", func(f *Facts) {
			f.BrokerData.Damage = []BrokerDamage{{Lost: true, Topic: "coex.state", Class: "state", First: 7, Last: 1007}}
		}, "broker", Fail, "coex.state/0", "from offset 7 on are gone; their number is unknown, and offsets continue at 1008"},
		{"positions damaged", func(f *Facts) {
			f.BrokerData.Damage = []BrokerDamage{{Lost: true, File: "groups.log", What: "entries are damaged"}}
		}, "broker", Fail, "groups.log", "entries are damaged"},
		{"damage put right", func(f *Facts) {
			f.BrokerData.Damage = []BrokerDamage{{File: "topics.json", What: "the file differs from its copy, which was put back"}}
		}, "broker", Warn, "topics.json", "nothing is lost"},
		{"damage in place", func(f *Facts) {
			f.BrokerData.Damage = []BrokerDamage{{InPlace: true, Lost: true, Topic: "coex.raw.live", Partition: 2, First: 7, Last: 9, Exact: true, What: "records are damaged", File: "partitions/coex.raw.live-2/0.dat"}}
		}, "broker", Fail, "coex.raw.live/2", "records are damaged, in partitions/coex.raw.live-2/0.dat at offsets 7 to 9; readers stop there"},
		{"damage in place of the broker's own files", func(f *Facts) {
			f.BrokerData.Damage = []BrokerDamage{{InPlace: true, Lost: true, File: "groups.log", What: "entries are damaged"}}
		}, "broker", Fail, "groups.log", "entries are damaged"},
		{"too large to be read", func(f *Facts) { f.BrokerData.UnreadBytes = 3 << 30 }, "broker", OK, "/data/broker", "too large to be read here"},
		{"much damage", func(f *Facts) { f.BrokerData.Damage = make([]BrokerDamage, 30) }, "broker", Fail, "/data/broker", "10 more damages"},
		{"sink behind", func(f *Facts) { f.Processes[0].Sinks = []Sink{{Name: "sqlite", Records: 17}} }, "sinks", OK, "http://a sqlite", "17 offsets behind"},
		{"sink blocked", func(f *Facts) { f.Processes[0].Sinks = []Sink{{Name: "sqlite", Blocked: 2}} }, "sinks", Fail, "http://a sqlite", "2 partitions are not read on"},
		{"sink without room", func(f *Facts) { f.Processes[0].Sinks = []Sink{{Name: "sqlite", NoRoom: true}} }, "sinks", Fail, "http://a sqlite", "fewer free bytes than sink.sqlite.free_bytes_min"},
		{"sink stands still", func(f *Facts) { f.Processes[0].Sinks = []Sink{{Name: "sqlite", Live: 7 * time.Minute}} }, "sinks", Warn, "http://a sqlite", "missing for 7m"},
		{"sink set aside", func(f *Facts) { f.Processes[0].Sinks = []Sink{{Name: "sqlite", Letters: 3}} }, "sinks", Warn, "http://a sqlite", "3 records were set aside"},
		{"sink of PostgreSQL blocked", func(f *Facts) { f.Processes[0].Sinks = []Sink{{Name: "postgres", Blocked: 1}} }, "sinks", Fail, "http://a postgres", "1 partitions are not read on"},
		{"endpoint disabled", func(f *Facts) { f.Processes[0].Sinks = []Sink{{Name: "webhook/crm", Disabled: true}} }, "sinks", Fail, "http://a webhook/crm", "answered 410"},
		{"endpoint failing", func(f *Facts) {
			f.Processes[0].Sinks = []Sink{{Name: "webhook/crm", Failing: true, Live: time.Hour}}
		}, "sinks", Warn, "http://a webhook/crm", "gets probes only"},
		{"endpoint blocked", func(f *Facts) { f.Processes[0].Sinks = []Sink{{Name: "webhook/crm", Blocked: 1}} }, "sinks", Fail, "http://a webhook/crm", "1 partitions are not read on"},
		{"endpoint with letters", func(f *Facts) { f.Processes[0].Sinks = []Sink{{Name: "webhook/crm", Letters: 2}} }, "sinks", Warn, "http://a webhook/crm", "2 records were set aside"},
		{"archive", func(f *Facts) {
			f.Processes[0].Archive = &Archive{Waiting: 9, Oldest: 2 * time.Minute, Rotation: 10 * time.Minute}
		}, "sinks", OK, "http://a archive", "9 offsets wait, the oldest for 2m"},
		{"media", func(f *Facts) { f.Processes[0].Media = &Media{Waiting: 3, Expiry: 25 * time.Hour} }, "sinks", OK, "http://a media", "3 assets wait"},
		{"media without a token", func(f *Facts) { f.Processes[0].Media = &Media{Denied: 2, Waiting: 3} }, "sinks", Warn, "http://a media", "the assets of 2 businesses wait for a token"},
		{"media expires", func(f *Facts) { f.Processes[0].Media = &Media{Waiting: 3, Expiry: 23 * time.Hour} }, "sinks", Warn, "http://a media", "3 assets wait, and the first one expires in 23h"},
		{"media lost", func(f *Facts) { f.Processes[0].Media = &Media{Lost: 5} }, "sinks", Warn, "http://a media", "retention removed 5 offsets"},
		{"archive blocked", func(f *Facts) { f.Processes[0].Archive = &Archive{Blocked: 1, Lost: 1} }, "sinks", Fail, "http://a archive", "1 partitions are not continued"},
		{"archive at a damaged batch", func(f *Facts) { f.Processes[0].Archive = &Archive{Damaged: 2} }, "sinks", Fail, "http://a archive", "2 damaged batches each stop a topic"},
		{"sink at a damaged batch", func(f *Facts) { f.Processes[0].Sinks = []Sink{{Name: "sqlite", Damaged: 1}} }, "sinks", Fail, "http://a sqlite", "1 damaged batch stops a topic"},
		{"archive lost records", func(f *Facts) { f.Processes[0].Archive = &Archive{Lost: 5} }, "sinks", Fail, "http://a archive", "retention removed 5 offsets"},
		{"archive behind", func(f *Facts) {
			f.Processes[0].Archive = &Archive{Oldest: 16 * time.Minute, Rotation: 10 * time.Minute}
		}, "sinks", Warn, "http://a archive", "waited for 16m"},
		{"no sink", func(f *Facts) { f.Processes[0].Sinks = nil }, "sinks", Skip, "", "no process runs a sink"},
		{"spool not written", func(f *Facts) { f.Processes[0].Spooled.Writable = false }, "spool", Fail, "http://a", "takes nothing"},
		{"spool waits", func(f *Facts) { *f.Processes[0].Spooled = Spooled{12, 5 * time.Minute, true} }, "spool", Warn, "http://a", "12 webhooks wait in its spool, the oldest for 5m"},
		{"spool waits for long", func(f *Facts) { *f.Processes[0].Spooled = Spooled{12, 7 * time.Hour, true} }, "spool", Fail, "http://a", "at 12h it takes no more"},
		{"spool older than memory", func(f *Facts) { f.Config.Ingress.Spool.AgeMax = 20 * time.Hour }, "config", Warn, "ingress.spool.age_max", "1d16h"},
		{"spool asked too late", func(f *Facts) { f.Config.Ingress.Spool.After = 3 * time.Second }, "config", Warn, "ingress.spool.after", "6s"},
		{"invented numbers", func(f *Facts) { f.Processes[0].Largest, f.Processes[0].Business = 3000, "0a1b" }, "processes", Warn, "http://a", "the business 0a1b (a hash of its WABA) has 3000 numbers"},
		{"invented businesses", func(f *Facts) { f.Processes[0].OfSource, f.Processes[0].Source = 30000, "vendor" }, "processes", Warn, "http://a", `the source "vendor" has 30000 numbers in one partition`},
		{"publisher in trouble", func(f *Facts) { f.Processes[0].Trouble = []string{"publisher: nothing acknowledged"} }, "processes", Warn, "http://a", "ready, but publisher"},
		{"a business waits", func(f *Facts) { f.Processes[0].Waiting = Waiting{1, 4000, 12 * time.Minute} }, "processes", Warn, "http://a", "4000 live webhooks of 1 businesses"},
		{"nobody at the default", func(f *Facts) { f.Processes[0].Err = errors.New("refused") }, "processes", Skip, "http://a", "nobody answers"},
		{"nobody at a named one", func(f *Facts) { f.Processes[0].Err, f.Processes[0].Asked = errors.New("refused"), true }, "processes", Fail, "http://a", "refused"},
		{"not ready", func(f *Facts) {
			f.Processes[0].Ready, f.Processes[0].Reason = false, "processor: waiting for partitions"
		}, "processes", Fail, "http://a", "waiting for partitions"},
		{"another configuration", func(f *Facts) { f.Processes[0].ConfigHash = "2" }, "processes", Warn, "http://a", "(2) than this one (1)"},

		// Kafka.
		{"no broker", func(f *Facts) { f.Bootstrap[0].Err, f.Brokers = errors.New("connection refused"), nil }, "brokers", Fail, "kafka-1:9092", "connection refused"},
		{"no broker, and so", func(f *Facts) { f.Bootstrap[0].Err, f.Brokers = errors.New("connection refused"), nil }, "lag", Skip, "", "no broker answers"},
		{"one address", func(f *Facts) { f.Bootstrap[0].Err = errors.New("no such host") }, "brokers", Warn, "kafka-1:9092", "no such host"},
		{"one broker", func(f *Facts) { f.Brokers[1].Err = errors.New("i/o timeout") }, "brokers", Fail, "broker 2 at kafka-2:9092", "i/o timeout"},
		{"old broker", func(f *Facts) { f.Brokers[1].Missing = []string{"transactions"} }, "brokers", Fail, "broker 2 at kafka-2:9092", "lacks transactions"},
		{"no controller", func(f *Facts) { f.Brokers[0].Controller = false }, "brokers", Fail, "controller", "has none"},
		{"short transactions", func(f *Facts) { f.Settings["transaction.max.timeout.ms"] = "30000" }, "cluster", Fail, "transaction.max.timeout.ms", "30s: less than"},
		{"long sessions", func(f *Facts) { f.Settings["group.min.session.timeout.ms"] = "60000" }, "cluster", Fail, "group.min.session.timeout.ms", "refuses"},
		{"short sessions", func(f *Facts) { f.Settings["group.max.session.timeout.ms"] = "10000" }, "cluster", Fail, "group.max.session.timeout.ms", "refuses"},
		{"small requests", func(f *Facts) { f.Settings["socket.request.max.bytes"] = "1048576" }, "cluster", Fail, "socket.request.max.bytes", "hang up"},
		{"offsets expire", func(f *Facts) { f.Settings["offsets.retention.minutes"] = "10080" }, "cluster", Warn, "offsets.retention.minutes", "7d: shorter than topics.raw.retention (14d)"},
		{"offsets never expire", func(f *Facts) { f.Settings["offsets.retention.minutes"] = "2147483647" }, "cluster", OK, "", "6 limits fit"},
		{"unclean leaders", func(f *Facts) { f.Settings["unclean.leader.election.enable"] = "true" }, "cluster", Warn, "unclean.leader.election.enable", "gone"},
		{"settings hidden", func(f *Facts) { f.Settings = nil }, "cluster", Skip, "", "does not show"},
		{"missing topic", func(f *Facts) { f.Topics.Differences = []Difference{{"coex.dlq", "topic", "present", "missing"}} }, "topics", Fail, "coex.dlq", "1 of 13"},
		{"desk partitions", func(f *Facts) {
			f.Topics.Desk, f.Topics.Differences = "coex.desk", []Difference{{"coex.desk", "partitions", "1", "3"}}
		}, "topics", Fail, "coex.desk", "no order"},
		{"desk retention", func(f *Facts) {
			f.Topics.Desk, f.Topics.Differences = "coex.desk", []Difference{{"coex.desk", "retention.ms", "-1", "604800000"}}
		}, "topics", Fail, "coex.desk", "forgets"},
		{"partitions", func(f *Facts) { f.Topics.Differences = []Difference{{"coex.dlq", "partitions", "2", "3"}} }, "topics", Fail, "coex.dlq", "3 partitions"},
		{"not compacted", func(f *Facts) {
			f.Topics.Differences = []Difference{{"coex.state", "cleanup.policy", "compact", "delete"}}
		}, "topics", Fail, "coex.state", "cleanup.policy"},
		{"bodies do not fit", func(f *Facts) {
			f.Topics.Differences = []Difference{{"coex.raw.bulk", "max.message.bytes", "20971520", "1048588"}}
		}, "topics", Fail, "coex.raw.bulk", "max.message.bytes"},
		{"large bodies do not fit", func(f *Facts) {
			f.Topics.Differences = []Difference{{"coex.raw.bulk", "max.message.bytes", "20971520", "8388608"}}
		}, "topics", Warn, "coex.raw.bulk", "max.message.bytes"},
		{"retention", func(f *Facts) { f.Topics.Differences = []Difference{{"coex.dlq", "retention.ms", "2", "1"}} }, "topics", Warn, "coex.dlq", "retention.ms is 1, want 2"},
		{"copies", func(f *Facts) { f.Topics.Differences = []Difference{{"coex.dlq/0", "replication_factor", "3", "1"}} }, "topics", Warn, "coex.dlq/0", "1 copies"},
		{"offline", func(f *Facts) { f.Partitions[0].Leader = -1 }, "replicas", Fail, "coex.raw.live/0", "no leader"},
		{"leader does not answer", func(f *Facts) { f.Brokers[0].Err = errors.New("refused") }, "replicas", Fail, "coex.raw.live/0 (broker 1), __consumer_offsets/0 (broker 1)", "does not answer"},
		{"too few in sync", func(f *Facts) { f.Partitions[0].InSync = 1 }, "replicas", Fail, "coex.raw.live/0 (1 in sync, min.insync.replicas 2)", "refused"},
		{"under-replicated", func(f *Facts) { f.Partitions[0].InSync = 2 }, "replicas", Warn, "coex.raw.live/0 (2 of 3)", "under-replicated"},
		{"offsets in one copy", func(f *Facts) { f.Partitions[1].Replicas, f.Partitions[1].InSync = 1, 1 }, "replicas", Warn, "__consumer_offsets/0", "one copy"},
		{"not allowed", func(f *Facts) { f.Failed["group"] = errors.New("GROUP_AUTHORIZATION_FAILED") }, "group", Fail, "", "GROUP_AUTHORIZATION_FAILED"},

		{"coordinator away", func(f *Facts) { f.Failed["lag"] = errors.New("dial tcp: connection refused") }, "lag", Fail, "", "connection refused"},

		// Processing.
		{"no processor", func(f *Facts) { f.Group = Group{State: "Empty"} }, "group", Fail, "group coexstream", "no processor"},
		{"rebalance", func(f *Facts) { f.Group.State = "PreparingRebalance" }, "group", Warn, "group coexstream", "handed over"},
		{"unserved", func(f *Facts) { f.Group.Members = f.Group.Members[:1] }, "group", Fail, "group coexstream", "1 of 2 partitions"},
		{"too many", func(f *Facts) { f.Group.Members = append(f.Group.Members, Member{Name: "c"}) }, "group", Warn, "group coexstream", "3 processors for 2"},
		{"a moment behind", func(f *Facts) { waits(f, schemas.TopicRawLive, time.Second) }, "lag", OK, "coex.raw.live", "7 records wait"},
		{"live behind", func(f *Facts) { waits(f, schemas.TopicRawLive, time.Minute) }, "lag", Warn, "coex.raw.live", "the oldest for 1m"},
		{"live far behind", func(f *Facts) { waits(f, schemas.TopicRawLive, 10*time.Minute) }, "lag", Fail, "coex.raw.live", "coex.raw.live/0: about 7 records"},
		{"history may take longer", func(f *Facts) { waits(f, schemas.TopicRawBulk, 10*time.Minute) }, "lag", OK, "coex.raw.bulk", "7 records"},
		{"history behind", func(f *Facts) { waits(f, schemas.TopicRawBulk, time.Hour) }, "lag", Warn, "coex.raw.bulk", "1h"},
		{"history far behind", func(f *Facts) { waits(f, schemas.TopicRawBulk, 7*time.Hour) }, "lag", Fail, "coex.raw.bulk", "7h"},
		{"rerouted expires soon", func(f *Facts) { waits(f, schemas.TopicRerouted, 13*time.Hour) }, "lag", Fail, "coex.rerouted", "retention deletes them after 1d"},
		{"deleted unread", func(f *Facts) { f.Inputs[0].Start = 12; f.Inputs[0].Stable = 12 }, "lag", Fail, "coex.raw.live/0 (2 offsets)", "deleted before"},
		{"input missing", func(f *Facts) { f.Inputs = nil }, "lag", Skip, "coex.raw.live", "not there"},
		{"no coordinator", func(f *Facts) {
			f.Transactions.CoordinatorID, f.Transactions.CoordinatorErr = "coexstream-a", errors.New("COORDINATOR_NOT_AVAILABLE")
		}, "transactions", Fail, "transactional id coexstream-a", "COORDINATOR_NOT_AVAILABLE"},
		{"going on", func(f *Facts) { open(f, time.Second, 60*time.Second) }, "transactions", OK, "", "1 transaction is open"},
		{"slow", func(f *Facts) { open(f, 45*time.Second, 60*time.Second) }, "transactions", Warn, "transactional id coexstream-a", "Ongoing for 45s"},
		{"slow, and in the way", func(f *Facts) { open(f, 45*time.Second, 60*time.Second) }, "transactions", Warn, "coex.history/1 (5 offsets)", "wait for coexstream-a"},
		{"never aborted", func(f *Facts) { open(f, 5*time.Minute, time.Minute) }, "transactions", Fail, "transactional id coexstream-a", "should have ended it"},
		{"hanging", func(f *Facts) {
			f.Transactions.Blocked = []Blocked{{Topic: "coex.history", Partition: 1, Stable: 5, End: 9, Unknown: []int64{4711}}}
		}, "transactions", Fail, "coex.history/1 (4 offsets), producer id 4711", "no coordinator knows"},
		{"just ended", func(f *Facts) {
			f.Transactions.Blocked = []Blocked{{Topic: "coex.history", Partition: 1, Stable: 5, End: 9}}
		}, "transactions", OK, "", "none for long"},

		// Outcome.
		{"dead letters", func(f *Facts) {
			f.DeadLetters.Open, f.DeadLetters.Reasons = 3, map[string]int{"shape": 1, "json_utf8": 2}
		}, "dlq", Warn, "coex.dlq", "3 open dead letters in the last 1d: json_utf8 2, shape 1"},
		{"one parked beside them", func(f *Facts) {
			f.DeadLetters.Open, f.DeadLetters.Parked, f.DeadLetters.Reasons = 1, 1, map[string]int{"shape": 2}
		}, "dlq", Warn, "coex.dlq", "1 open dead letter and 1 parked in the last 1d: shape 2"},
		{"as many as single bodies may be", func(f *Facts) { f.DeadLetters.Open, f.DeadLetters.Parked = 98, 1 }, "dlq", Warn, "coex.dlq", "98 open"},
		{"too many for that", func(f *Facts) { f.DeadLetters.Open, f.DeadLetters.Parked = 99, 1 }, "dlq", Fail, "coex.dlq", "99 open"},
		{"many dead letters", func(f *Facts) { f.DeadLetters.Open, f.DeadLetters.Stopped = 1000, 50000 }, "dlq", Fail, "coex.dlq", "1000 open dead letters among the first 50000 records"},
		{"no dlq", func(f *Facts) { f.Absent["coex.dlq"] = true }, "dlq", Skip, "coex.dlq", "not there"},
		{"near its deadline", func(f *Facts) { f.Syncs[0].ChunksHeld, f.Syncs[0].DeadlineAt = 4, at(3*time.Minute) }, "syncs", Warn, "1001 (4 chunks held, 3m left)", "1 sync stops waiting soon"},
		{"far from it", func(f *Facts) { f.Syncs[0].ChunksHeld, f.Syncs[0].DeadlineAt = 4, at(20*time.Minute) }, "syncs", OK, "coex.syncs", "1 waiting"},
		{"gap", func(f *Facts) {
			f.Syncs[0].Phases = []schemas.SyncPhase{{Gaps: []schemas.SyncGap{{From: 3, To: 4, GivenUp: true}, {From: 9, To: 9}}}}
		}, "syncs", Warn, "1001 (1)", "1 sync has gaps"},
		{"old gap", func(f *Facts) {
			f.Syncs[0].Phases = []schemas.SyncPhase{{GapsOmitted: 3}}
			f.Syncs[0].LastAt = now.Add(-15 * 24 * time.Hour)
		}, "syncs", OK, "coex.syncs", "none with a gap"},
		{"an error of the vendor", func(f *Facts) {
			f.Syncs[0].Errors = []schemas.SyncError{{Code: 1}, {Code: 131000, Phase: new(int32), ChunkOrder: &[]int32{2}[0]}}
		}, "syncs", Warn, "1001 (code 131000, phase 0, chunk 2, the last of 2)", "1 sync has errors"},
		{"a deadline near", func(f *Facts) {
			f.Syncs[0].Status, f.Syncs[0].RequestDeadlineAt = schemas.SyncStatusDeadlineNear, at(3*time.Hour)
		}, "syncs", Fail, "1001 (3h left)", "1 number without an accepted request"},
		{"a deadline missed", func(f *Facts) { f.Syncs[0].Status = schemas.SyncStatusMissed }, "syncs", Warn, "1001", "the 24 hours are over"},
		{"a refused request", func(f *Facts) {
			f.Syncs[0].Status = schemas.SyncStatusRefused
			f.Syncs[0].Requests = []schemas.SyncRequest{{SyncType: "history", At: now, Error: &schemas.SyncRequestError{Code: 2593108}}}
		}, "syncs", Warn, "1001 (code 2593108)", "1 request was refused"},
		{"an unknown outcome", func(f *Facts) {
			f.Syncs[0].Status = schemas.SyncStatusUnknown
			f.Syncs[0].Requests = []schemas.SyncRequest{{SyncType: "history", At: now.Add(-time.Hour)}}
		}, "syncs", Warn, "1001 (since 1h)", "1 request has an unknown outcome"},
		{"a call that is being made", func(f *Facts) {
			f.Syncs[0].Status = schemas.SyncStatusIntended
			f.Syncs[0].Requests = []schemas.SyncRequest{{SyncType: "history", At: now.Add(-time.Minute)}}
		}, "syncs", OK, "coex.syncs", "1 running"},
		{"silent", func(f *Facts) { f.Syncs[0].Status, f.Syncs[0].RequestedAt = schemas.SyncStatusSilent, at(-time.Hour) }, "syncs", Warn, "1001 (1h)", "1 sync is silent"},
		{"stalled", func(f *Facts) {
			f.Syncs[0].Status, f.Syncs[0].LastAt = schemas.SyncStatusStalled, now.Add(-3*time.Hour)
		}, "syncs", Warn, "1001 (3h)", "1 sync is stalled"},
		{"a missed request is no partial sync", func(f *Facts) {
			f.Syncs[0].Status, f.Syncs[0].State, f.Syncs[0].EndReason = schemas.SyncStatusOffboarded, schemas.SyncDone, schemas.SyncEndQuiet
		}, "syncs", OK, "coex.syncs", "0 running"},
		{"lost", func(f *Facts) { f.Syncs[0].ChunksLost = 2 }, "syncs", Fail, "1001 (2 chunks)", "retention"},
		{"never complete", func(f *Facts) {
			f.Syncs[0].State, f.Syncs[0].EndReason, f.Syncs[0].Progress = schemas.SyncDone, schemas.SyncEndQuiet, 70
		}, "syncs", Warn, "1001 (70 %, quiet)", "without being complete"},
		{"clock of a process behind", func(f *Facts) { f.Processes[0].Ahead = -9 * time.Second }, "clock", Warn, "http://a", "9s behind"},
		{"clock of an ingress ahead", func(f *Facts) { f.Newest[0].At = now.Add(2 * time.Minute) }, "clock", Fail, "coex.raw.live/0", "2m ahead of"},
		{"nothing to compare", func(f *Facts) { f.Newest, f.Processes = nil, nil }, "clock", Skip, "", "nothing to compare"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := healthy(t)
			tt.damage(f)
			r := Judge(f, Names())
			i := slices.IndexFunc(r.Findings, func(fd Finding) bool {
				return fd.Check == tt.check && fd.Status == tt.status && fd.On == tt.on && strings.Contains(fd.Found, tt.says)
			})
			if tt.status == OK && tt.on == "" { // an OK of the whole check
				i = slices.IndexFunc(r.Findings, func(fd Finding) bool {
					return fd.Check == tt.check && fd.Status == OK && strings.Contains(fd.Found, tt.says)
				})
			}
			if i < 0 {
				t.Fatalf("not found:\n%+v", r.Findings)
			}
			if fd := r.Findings[i]; (fd.Status == Warn || fd.Status == Fail) != (fd.Do != "") || fd.Tried == "" || strings.ContainsAny(fd.Found+fd.Do+fd.On, "\n") {
				t.Errorf("%+v", fd)
			}
			for _, fd := range r.Findings {
				for _, secret := range []string{strings.Repeat("v", 32), strings.Repeat("s", 32), "guessme", "hunter2"} {
					if strings.Contains(fd.Found+fd.On+fd.Do, secret) {
						t.Errorf("a secret is shown: %+v", fd)
					}
				}
			}
		})
	}
}

// open makes a transaction that began so long ago stand in the way of readers.
func open(f *Facts, age, timeout time.Duration) {
	f.Transactions.Open = []Transaction{{ID: "coexstream-a", State: "Ongoing", Started: f.Now.Add(-age), Timeout: timeout, Topics: map[string][]int32{"coex.history": {1}}}}
	f.Transactions.Blocked = []Blocked{{Topic: "coex.history", Partition: 1, Stable: 5, End: 10}}
}

func TestOnlyChecksThatAreNamedAreMade(t *testing.T) {
	r := Judge(healthy(t), []string{"lag", "config"})
	for _, f := range r.Findings {
		if f.Check != "lag" && f.Check != "config" {
			t.Errorf("%+v", f)
		}
	}
	if len(r.Findings) != 4 {
		t.Errorf("%d findings", len(r.Findings))
	}
}

func TestRemedyFitsTheError(t *testing.T) {
	for text, says := range map[string]string{
		"dial tcp: lookup kafka: no such host":              "DNS",
		"dial tcp 127.0.0.1:1: connect: connection refused": "Start the broker",
		"SASL_AUTHENTICATION_FAILED: bad password":          "kafka.sasl",
		"x509: certificate signed by unknown authority":     "kafka.tls.*",
		"tls: first record does not look like a handshake":  "kafka.tls.enabled",
		"context deadline exceeded":                         "firewalls",
		"unable to read response size: EOF":                 "closed the connection",
		"something that nobody has seen":                    "Look whether the broker runs",
	} {
		if got := remedy(errors.New(text)); !strings.Contains(got, says) {
			t.Errorf("%s: %s", text, got)
		}
	}
}
