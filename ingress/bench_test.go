package ingress

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/ingress/publish"
	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/internal/embedded"
)

const (
	loadEnv = "INGRESS_TEST_LOAD" // address, path and time of the load
	// loadPrefixEnv is a command that runs the load, such as "taskset -c 1" beside a benchmark that
	// itself runs under "taskset -c 0".
	loadPrefixEnv   = "INGRESS_TEST_LOAD_PREFIX"
	loadConnections = 64
	loadPartitions  = 4 // as `up` has
)

// TestLoad is no test. It is the load of the benchmark, which runs as a process of its own, so that its CPU time does not
// count for the server.
func TestLoad(t *testing.T) {
	spec := strings.Fields(os.Getenv(loadEnv))
	if len(spec) != 3 {
		t.Skip("SKIP: it runs only as a child of the benchmark")
	}
	length, err := time.ParseDuration(spec[2])
	if err != nil {
		t.Fatal(err)
	}
	var requests, refused atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(length)
	for i := range loadConnections {
		body := rawtest.Message(i)
		request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: ingress\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=%s\r\nContent-Length: %d\r\n\r\n%s",
			spec[1], sign(testSecret, body), len(body), body)
		c, err := net.Dial("tcp", spec[0])
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer func() { _ = c.Close() }()
			r := bufio.NewReader(c)
			for time.Now().Before(end) {
				if _, err := c.Write(request); err != nil {
					t.Error(err)
					return
				}
				code, err := readAnswer(r)
				if err != nil {
					t.Error(err)
					return
				}
				if code != 200 {
					refused.Add(1)
				}
				requests.Add(1)
			}
		})
	}
	wg.Wait()
	fmt.Printf("load %d %d\n", requests.Load(), refused.Load())
}

// readAnswer reads an answer with little work.
func readAnswer(r *bufio.Reader) (code int, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		switch {
		case first:
			if code, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, err
			}
		case len(line) == 2:
			_, err = r.Discard(length)
			return code, err
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[16:]))); err != nil {
				return 0, err
			}
		}
	}
}

// cpu returns the CPU time of this process.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// load runs the load against a path and adds up requests, time and the CPU time of this process.
type load struct {
	requests  int64
	took, cpu time.Duration
}

func (l *load) run(b *testing.B, addr, path string, length time.Duration) {
	b.Helper()
	args := append(strings.Fields(os.Getenv(loadPrefixEnv)), os.Args[0], "-test.run=^TestLoad$", "-test.v")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", loadEnv, addr, path, length))
	before := cpu(b)
	out, err := cmd.CombinedOutput()
	used := cpu(b) - before
	if err != nil {
		b.Fatalf("load: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		var requests, refused int64
		if n, _ := fmt.Sscanf(line, "load %d %d", &requests, &refused); n != 2 {
			continue
		}
		if refused != 0 {
			b.Fatalf("%d of %d requests were refused", refused, requests)
		}
		l.requests, l.took, l.cpu = l.requests+requests, l.took+length, l.cpu+used
		return
	}
	b.Fatalf("load said nothing:\n%s", out)
}

func (l *load) rate() float64 { return float64(l.requests) / l.took.Seconds() }

func (l *load) cpuMicros() float64 { return float64(l.cpu.Microseconds()) / float64(l.requests) }

// embeddedBroker starts a broker as `up` does: in this process, with a data directory and the raw topics.
func embeddedBroker(b *testing.B) *embedded.Broker {
	b.Helper()
	cfg := embedded.DefaultConfig(b.TempDir())
	cfg.Listen, cfg.SyncWrites = "127.0.0.1:0", false
	broker, err := embedded.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := broker.Close(); err != nil {
			b.Error(err)
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()), kgo.Dialer(broker.Dial), kgo.DisableClientMetrics())
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	res, err := kadm.NewClient(cl).CreateTopics(b.Context(), loadPartitions, 1, nil, rawtest.LiveTopic, rawtest.BulkTopic)
	if err == nil {
		err = res.Error()
	}
	if err != nil {
		b.Fatal(err)
	}
	return broker
}

// BenchmarkAgainstBareHandler compares the whole path of a webhook with a fasthttp handler that does nothing. The path
// is HTTP, signature, lane, and durable produce to the embedded broker as in `up`, but without synced writes. The two
// take turns, under the same load of 64 connections with signed bodies of 1 KB. The load is a process of its own; the
// broker is in this one, and its work counts as the server's.
func BenchmarkAgainstBareHandler(b *testing.B) {
	bare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	nothing := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(200) }}
	served := make(chan error, 1)
	go func() { served <- nothing.Serve(bare) }()
	defer func() {
		_ = bare.Close()
		<-served
	}()

	codecs := []string{"none", "lz4", "zstd"}
	var without load
	with := make([]load, len(codecs))
	var servers []*running
	var publishers []publishing
	for _, codec := range codecs {
		broker := embeddedBroker(b)
		p := publisher(b, []string{broker.Addr()}, func(cfg *publish.Config, deps *publish.Deps) {
			cfg.CompressionLive, deps.Dial = codec, broker.Dial
		})
		publishers = append(publishers, p)
		servers = append(servers, start(b, testConfig(), p))
	}
	for b.Loop() {
		without.run(b, bare.Addr().String(), "/", time.Second)
		for i, s := range servers {
			with[i].run(b, s.addr, "/meta", time.Second)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(without.rate(), "bare_req/s")
	b.ReportMetric(without.cpuMicros(), "bare_cpu_µs")
	for i, codec := range codecs {
		b.ReportMetric(with[i].rate()/without.rate(), codec+"_ratio")
		b.ReportMetric(with[i].cpuMicros(), codec+"_cpu_µs")
		b.ReportMetric(averageBatch(b, publishers[i].reg), codec+"_records/batch")
	}
}

// averageBatch returns the average number of records in a batch.
func averageBatch(b *testing.B, reg *prometheus.Registry) float64 {
	families, err := reg.Gather()
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "coexstream_ingress_batch_records" {
			sum, n := 0.0, uint64(0)
			for _, m := range f.GetMetric() {
				sum, n = sum+m.GetHistogram().GetSampleSum(), n+m.GetHistogram().GetSampleCount()
			}
			return sum / float64(n)
		}
	}
	b.Fatal("no batches were counted")
	return 0
}

// discarding is a Durable that forgets.
type discarding struct{}

func (discarding) Publish(*raw.Record, time.Time) error { return nil }
func (discarding) Ready() error                         { return nil }

// BenchmarkOneRequest is the handler alone: no sockets, no broker.
func BenchmarkOneRequest(b *testing.B) {
	s := start(b, testConfig(), discarding{})
	body := rawtest.Message(1)
	var ctx fasthttp.RequestCtx
	ctx.Init2(&idleConn{}, httpLog{s.log}, false)
	stream := bytes.NewReader(nil)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	signature := "sha256=" + sign(testSecret, body)
	for b.Loop() {
		ctx.Request.Reset()
		ctx.Response.Reset()
		ctx.Request.Header.SetMethod("POST")
		ctx.Request.SetRequestURI("/meta")
		ctx.Request.Header.SetContentType("application/json")
		ctx.Request.Header.Set("X-Hub-Signature-256", signature)
		stream.Reset(body)
		ctx.Request.SetBodyStream(stream, len(body))
		s.handle(&ctx)
		if code := ctx.Response.StatusCode(); code != 200 {
			b.Fatalf("%d %s", code, ctx.Response.Body())
		}
	}
}

// idleConn is a connection on which nothing happens.
type idleConn struct{ net.Conn }

func (*idleConn) Read([]byte) (int, error)        { return 0, io.EOF }
func (*idleConn) SetReadDeadline(time.Time) error { return nil }
func (*idleConn) RemoteAddr() net.Addr            { return &net.TCPAddr{} }
func (*idleConn) LocalAddr() net.Addr             { return &net.TCPAddr{} }
