package durable

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/bench/load"
)

const topic = "bodies"

// produced is a topic that a load has been sent to, and its bodies.
type produced struct {
	log    *Log
	start  Mark
	cl     *kgo.Client
	ts     *load.Templates
	report load.Report
	bodies [][]byte
}

const testRun = 3

func produce(t *testing.T) *produced {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p := &produced{}
	if p.cl, err = kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic(topic)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.cl.Close)
	if p.log, err = Open(c.ListenAddrs(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.log.Close)
	if p.start, err = p.log.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	spec := load.Spec{
		Brokers: c.ListenAddrs(), Topic: topic, Connections: 4, Rate: 200, Duration: 200 * time.Millisecond, Timeout: 30 * time.Second,
		Run: testRun, Mix: []load.Kind{{Name: load.Echo, Bytes: 1 << 10, Weight: 1}},
	}
	if p.ts, err = load.NewTemplates(spec.Mix); err != nil {
		t.Fatal(err)
	}
	if p.report, err = load.Run(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	end, err := p.log.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.log.read(t.Context(), p.start, end, func(r *kgo.Record) { p.bodies = append(p.bodies, r.Value) }); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *produced) check(t *testing.T, since Mark) Verdict {
	t.Helper()
	v, _, err := p.log.Check(t.Context(), since, testRun, p.ts, &p.report)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// again writes the bodies once more, changed, behind a new mark.
func (p *produced) again(t *testing.T, bodies ...[]byte) Mark {
	t.Helper()
	mark, err := p.log.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bodies {
		if err := p.cl.ProduceSync(t.Context(), &kgo.Record{Value: b}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return mark
}

func TestEverythingAcknowledgedIsThere(t *testing.T) {
	p := produce(t)
	v := p.check(t, p.start)
	if want := (Verdict{Sent: 40, Acked: 40}); v != want || !v.OK() {
		t.Errorf("%+v, not %+v", v, want)
	}
}

func TestFaultsAreSeen(t *testing.T) {
	p := produce(t)
	altered := append([]byte{}, p.bodies[5]...)
	altered[10] ^= 1
	for name, test := range map[string]struct {
		bodies [][]byte
		want   Verdict
	}{
		"one is missing":           {p.bodies[1:], Verdict{Missing: 1}},
		"all are missing":          {nil, Verdict{Missing: 40}},
		"one is there twice":       {append(p.bodies[:40:40], p.bodies[7]), Verdict{Repeated: 1}},
		"one is altered":           {append(append(p.bodies[:5:5], altered), p.bodies[6:]...), Verdict{Missing: 1, Altered: 1}},
		"one is nobody's":          {append(p.bodies[:40:40], []byte("x")), Verdict{Altered: 1}},
		"twice does not make good": {append(p.bodies[1:40:40], p.bodies[1]), Verdict{Missing: 1, Repeated: 1}},
	} {
		test.want.Sent, test.want.Acked = 40, 40
		v := p.check(t, p.again(t, test.bodies...))
		if v != test.want {
			t.Errorf("%s: %+v, not %+v", name, v, test.want)
		}
		if wantOK := v.Missing == 0 && v.Altered == 0; v.OK() != wantOK || strings.HasPrefix(v.String(), "OK") != wantOK {
			t.Errorf("%s: OK is %t: %s", name, v.OK(), v)
		}
	}
}

func TestWhatWasNotAcknowledgedMayBeThereOrNot(t *testing.T) {
	p := produce(t)
	p.report.Unacked[0] = []uint32{0, 1}
	v := p.check(t, p.start)
	if want := (Verdict{Sent: 40, Acked: 38, Unacked: 2}); v != want || !v.OK() {
		t.Errorf("%+v, not %+v", v, want)
	}
}

func TestTrimDeletesWhatWasChecked(t *testing.T) {
	p := produce(t)
	end, err := p.log.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.log.Trim(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	starts, err := kadm.NewClient(p.cl).ListStartOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	starts.Each(func(o kadm.ListedOffset) {
		if o.Offset != end[topic][o.Partition] {
			t.Errorf("partition %d starts at %d, not at %d", o.Partition, o.Offset, end[topic][o.Partition])
		}
	})
}
