package ingress

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/ingress/publish"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/ingress/route"
	"github.com/coexstream/coexstream/internal/contentcoding"
	coexkafka "github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
)

// Every body that got a 200 is in the log byte for byte, in its lane and partition. Its signature can be verified again
// with only the record and the secret.
func TestWhatGotA200IsInTheLogAndCanBeVerifiedAgain(t *testing.T) {
	const partitions = 3
	c := rawtest.Cluster(t, 3, partitions)
	p := publisher(t, c.ListenAddrs(), nil)
	s := start(t, testConfig(), p)
	seed := seed.Of(t)
	codings := encoders(t)
	type sent struct {
		plain  string
		coding string // of the value in the log
		value  string
		id     string
	}
	var mu sync.Mutex
	all := map[string]sent{} // by request id
	var wg sync.WaitGroup
	for w := range 6 {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		wg.Go(func() {
			for range 25 {
				plain := []byte(rawtest.RandomBody(rng))
				wire, signed, coding := plain, plain, ""
				headers := []string{"Content-Type", "application/json"}
				if rng.IntN(2) == 0 {
					for coding = range codings {
						break
					}
					wire = codings[coding](plain)
					signed = wire
					headers = append(headers, "Content-Encoding", coding)
					if rng.IntN(2) == 0 {
						signed, coding = plain, ""
					}
				}
				secret := []string{testSecret, oldSecret}[rng.IntN(2)]
				a := do(t, "POST", s.url+"/meta", bytes.NewReader(wire), append(headers, "X-Hub-Signature-256", "sha256="+sign(secret, signed))...)
				if a.code != 200 {
					t.Errorf("%d %s", a.code, a.body)
					return
				}
				id := a.header.Get("X-Request-Id")
				mu.Lock()
				all[id] = sent{string(plain), coding, string(signed), map[string]string{testSecret: "new", oldSecret: "old"}[secret]}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	secrets := map[string]string{"new": testSecret, "old": oldSecret}
	found := 0
	for topic, log := range rawtest.Contents(t, c.ListenAddrs()) {
		for i, records := range log {
			for _, r := range records {
				want, ok := all[rawtest.RecordHeader(r, schemas.HeaderRequestID)]
				if !ok {
					t.Fatalf("%s/%d holds a record that got no 200", topic, i)
				}
				found++
				if string(r.Value) != want.value || rawtest.RecordHeader(r, schemas.HeaderContentEncoding) != want.coding {
					t.Errorf("%s/%d: %d bytes, coding %q", topic, i, len(r.Value), rawtest.RecordHeader(r, schemas.HeaderContentEncoding))
				}
				id := rawtest.RecordHeader(r, schemas.HeaderSecretID)
				if id != want.id || rawtest.RecordHeader(r, schemas.HeaderSignature) != "sha256="+sign(secrets[id], r.Value) {
					t.Errorf("%s/%d: the signature does not verify again", topic, i)
				}
				plain, err := contentcoding.Decode(nil, rawtest.RecordHeader(r, schemas.HeaderContentEncoding), r.Value, contentcoding.Limits{})
				if err != nil || string(plain) != want.plain {
					t.Errorf("%s/%d: decoded to %d bytes, %v", topic, i, len(plain), err)
				}
				lane, waba := route.LaneAndKey(plain)
				if topic != lane.Name("coex.") || string(r.Key) != string(waba) || int32(i) != coexkafka.Partition(waba, partitions) {
					t.Errorf("%s/%d with the key %q: want %s, %q", topic, i, r.Key, lane, waba)
				}
			}
		}
	}
	if found != len(all) || found < 100 {
		t.Errorf("%d records of %d requests", found, len(all))
	}
}

func TestStuckKafkaIsA503WithinTheAckTimeout(t *testing.T) {
	c := rawtest.Cluster(t, 1, 2)
	p := publisher(t, c.ListenAddrs(), func(cfg *publish.Config, _ *publish.Deps) { cfg.ProduceTimeout = time.Minute })
	cfg := testConfig()
	cfg.AckTimeout = 300 * time.Millisecond
	s := start(t, cfg, p)
	var stuck atomic.Bool
	stuck.Store(true)
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if stuck.Load() {
			c.KeepControl()
			return nil, nil, true
		}
		c.DropControl()
		return nil, nil, false
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			began := time.Now()
			a := do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", "sha256="+sign(testSecret, message))
			if a.code != 503 || a.header.Get("Retry-After") == "" {
				t.Errorf("%d, Retry-After %q", a.code, a.header.Get("Retry-After"))
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("after %s", took)
			}
		})
	}
	wg.Wait()
	rawtest.WaitFor(t, "all memory to be given back", func() bool {
		return s.budget.reserved() == 0 && rawtest.Counter(t, p.reg, "coexstream_ingress_publish_in_flight_bytes") == 0
	})
	stuck.Store(false)
	rawtest.WaitFor(t, "a 200", func() bool {
		return do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", "sha256="+sign(testSecret, message)).code == 200
	})
}

func TestMetricsHaveClosedLabelsAndSayWhatHappened(t *testing.T) {
	s := start(t, testConfig(), &rawtest.Memory{})
	signature := "sha256=" + sign(testSecret, message)
	do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", signature)
	do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", strings.Replace(signature, signature[7:9], "zz", 1))
	do(t, "POST", s.url+"/meta", bytes.NewReader(message))
	do(t, "POST", s.url+"/secret-path-"+testToken, bytes.NewReader(message))
	families, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "coexstream_ingress_") {
			t.Errorf("metric %s", f.GetName())
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			name := strings.TrimPrefix(f.GetName(), "coexstream_ingress_") + " " + strings.Join(labels, " ")
			got[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"requests_total 200 meta": 1, "requests_total 401 meta": 2, "requests_total 404 (none)": 1,
		"signature_failures_total malformed meta": 1, "signature_failures_total missing meta": 1,
		"records_total raw.live": 1, "records_total raw.bulk": 0, "body_bytes meta": 1, "request_duration_seconds meta": 3,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
}
