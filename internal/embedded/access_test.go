package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/coexstream/coexstream/internal/listen"

	"github.com/coexstream/coexstream/internal/kafka"
)

func openWith(t *testing.T, dir, password string) *Broker {
	t.Helper()
	cfg := testConfig(dir, false)
	cfg.Password = password
	b, err := Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// readable reports whether a client that authenticates so sees the broker's topics.
func readable(t *testing.T, b *Broker, mechanism sasl.Mechanism, more ...kgo.Opt) error {
	t.Helper()
	opts := append([]kgo.Opt{kgo.SeedBrokers(b.Addr()), kgo.RequestRetries(0), kgo.RetryTimeout(5 * time.Second)}, more...)
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = kmsg.NewPtrMetadataRequest().RequestWith(ctx, cl)
	return err
}

func TestClientsNeedThePasswordWhereThereIsOne(t *testing.T) {
	t.Parallel()
	const password = "correct horse"
	right := scram.Auth{User: User, Pass: password}
	b := openWith(t, t.TempDir(), password)
	for name, m := range map[string]sasl.Mechanism{"SCRAM-SHA-256": right.AsSha256Mechanism(), "SCRAM-SHA-512": right.AsSha512Mechanism()} {
		if err := readable(t, b, m); err != nil {
			t.Errorf("%s over a socket: %v", name, err)
		}
		if err := readable(t, b, m, kgo.Dialer(b.Dial)); err != nil {
			t.Errorf("%s within the process: %v", name, err)
		}
		ours := kafka.Connection{Brokers: []string{b.Addr()}, DialTimeout: time.Second, RequestTimeout: 5 * time.Second, SASL: m}
		if err := viaKafkaGo(t, &ours); err != nil {
			t.Errorf("%s with kafka-go: %v", name, err)
		}
	}
	for name, m := range map[string]sasl.Mechanism{
		"nothing": nil, "another password": scram.Auth{User: User, Pass: "wrong"}.AsSha256Mechanism(), "another user": scram.Auth{User: "admin", Pass: "admin"}.AsSha256Mechanism(),
		"no password": scram.Auth{User: User}.AsSha512Mechanism(), "PLAIN": plain.Auth{User: User, Pass: password}.AsMechanism(),
	} {
		if err := readable(t, b, m); err == nil {
			t.Errorf("with %s the topics can be seen", name)
		}
		if err := readable(t, b, m, kgo.Dialer(b.Dial)); err == nil {
			t.Errorf("with %s the topics can be seen within the process", name)
		}
	}
	if err := readable(t, openWith(t, t.TempDir(), ""), nil); err != nil {
		t.Errorf("without a password: %v", err)
	}
}

func viaKafkaGo(t *testing.T, c *kafka.Connection) error {
	t.Helper()
	transport := c.Transport()
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := (&kafkago.Client{Addr: c.Address(), Transport: transport}).Metadata(ctx, &kafkago.MetadataRequest{})
	return err
}

// The broker keeps users at its stop; the password that it is given counts nevertheless.
func TestAnotherPasswordCountsFromTheNextStartOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, password := range []string{"first", "second", ""} {
		b := openWith(t, dir, password)
		for _, given := range []string{"first", "second"} {
			err := readable(t, b, scram.Auth{User: User, Pass: given}.AsSha256Mechanism())
			if (err == nil) != (given == password) && password != "" {
				t.Errorf("password %q, given %q: %v", password, given, err)
			}
		}
		if err := readable(t, b, nil); (err == nil) != (password == "") {
			t.Errorf("password %q, given none: %v", password, err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogsAreCleanedWithAPasswordToo(t *testing.T) {
	t.Parallel()
	b := openWith(t, t.TempDir(), "correct horse")
	if err := b.cluster.CreateTopic("t", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := b.Clean(ctx); err != nil {
		t.Error(err)
	}
}

// frame is a request as it travels.
func frame(r kmsg.Request, version int16) []byte {
	r.SetVersion(version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("stranger")).AppendRequest(nil, r, 1)
}

// refused sends bytes and reports whether the broker closes the connection without an answer.
func refused(t *testing.T, b *Broker, sent ...[]byte) bool {
	t.Helper()
	c, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, s := range sent {
		if _, err := c.Write(s); err != nil {
			return true
		}
	}
	_, err = io.ReadFull(c, make([]byte, 4))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the broker neither answers nor closes")
	}
	return err != nil
}

// The observers see requests before the broker asks who sent them: a stranger must not reach them.
func TestStrangersReachNothingBehindTheGate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openWith(t, dir, "correct horse")
	before, err := os.ReadFile(filepath.Join(dir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	end := kmsg.NewPtrEndTxnRequest()
	end.TransactionalID, end.ProducerID, end.Commit = "coexstream-up", 1, true
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.Mechanism = "SCRAM-SHA-256"
	first := kmsg.NewPtrSASLAuthenticateRequest()
	first.SASLAuthBytes = []byte("n,,n=coexstream,r=abcdefgh")
	for name, sent := range map[string][][]byte{
		"at once":                       {frame(end, 3)},
		"after the handshake":           {frame(handshake, 1), frame(end, 3)},
		"in the middle":                 {frame(handshake, 1), frame(first, 2), frame(end, 3)},
		"after two beginnings":          {frame(handshake, 1), frame(first, 2), frame(handshake, 1), frame(first, 2), frame(end, 3)},
		"after authenticating unasked":  {frame(first, 0), frame(first, 2), frame(end, 3)},
		"after many versions questions": {frame(kmsg.NewPtrApiVersionsRequest(), 3), frame(kmsg.NewPtrApiVersionsRequest(), 3), frame(end, 3)},
	} {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sent {
			if _, err := c.Write(s); err != nil {
				break
			}
		}
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", name)
		}
		_ = c.Close()
		if after, err := os.ReadFile(filepath.Join(dir, journalName)); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: a stranger wrote into the commit journal: %q, %v", name, after, err)
		}
	}
	long := frame(first, 2)
	binary.BigEndian.PutUint32(long, strangersBytesMax+1)
	if !refused(t, b, long) {
		t.Error("a long request of a stranger is read")
	}
}

// A web browser, a port scan, or a client of another protocol must not end the process, nor make it claim gigabytes.
func TestWhatIsNoRequestEndsItsConnectionOnly(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "correct horse"} {
		b := openWith(t, t.TempDir(), password)
		unknown := frame(kmsg.NewPtrApiVersionsRequest(), 3)
		binary.BigEndian.PutUint16(unknown[4:], 32000)
		huge := frame(kmsg.NewPtrApiVersionsRequest(), 3)
		binary.BigEndian.PutUint32(huge, 1<<31-1)
		negative := frame(kmsg.NewPtrApiVersionsRequest(), 3)
		binary.BigEndian.PutUint32(negative, 1<<32-1)
		short := frame(kmsg.NewPtrApiVersionsRequest(), 3)
		binary.BigEndian.PutUint32(short, 3)
		for name, bad := range map[string][]byte{
			"HTTP": []byte("GET / HTTP/1.1\r\nHost: localhost:9092\r\n\r\n"), "TLS": []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
			"an unknown request": unknown, "2 GiB": huge, "a negative length": negative, "less than a head": short,
		} {
			if !refused(t, b, bad) {
				t.Errorf("%s is answered", name)
			}
		}
		if refused(t, b, frame(kmsg.NewPtrApiVersionsRequest(), 3)) {
			t.Error("a request for versions is refused")
		}
		if err := b.Ready(); err != nil {
			t.Error(err)
		}
	}
}

func TestClientsAreToldTheAdvertisedAddress(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir(), false)
	cfg.Listen, cfg.Advertise, cfg.Password = "0.0.0.0:0", "broker.example:19092", "correct horse"
	b, err := Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Addr() != cfg.Advertise {
		t.Errorf("address %s", b.Addr())
	}
	if err := b.Ready(); err != nil {
		t.Error(err)
	}
	// Within the process the name need not be known to anybody.
	if err := readable(t, b, scram.Auth{User: User, Pass: cfg.Password}.AsSha256Mechanism(), kgo.Dialer(b.Dial)); err != nil {
		t.Errorf("within the process: %v", err)
	}
}

func TestFolderIsForTheUserAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "broker")
	if err := os.MkdirAll(filepath.Join(dir, "partitions"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, journalName), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, open := range []string{dir, filepath.Join(dir, "partitions")} {
		if err := os.Chmod(open, 0o755); err != nil { // for any umask
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	cfg := testConfig(dir, false)
	b, err := Open(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, path := range []string{dir, filepath.Join(dir, "partitions"), filepath.Join(dir, journalName)} {
		if info, err := os.Stat(path); err != nil || info.Mode()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if !strings.Contains(log.String(), "closed to") {
		t.Errorf("nothing is told: %s", &log)
	}
}

func TestNoFileIsOpenedThroughALink(t *testing.T) {
	t.Parallel()
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{journalName, "topics.json", "groups.log", filepath.Join("partitions", "t-0")} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "partitions"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		b, err := Open(testConfig(dir, false), slog.New(slog.DiscardHandler))
		if err == nil {
			_ = b.Close()
			t.Errorf("%s: the broker started", name)
		} else if !strings.Contains(err.Error(), filepath.Join(dir, name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	if err := os.Symlink(victim, filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	var path *fs.PathError
	if _, err := Acquire(dir); !errors.As(err, &path) || path.Path != filepath.Join(dir, "lock") {
		t.Errorf("lock: %v", err)
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "precious" {
		t.Errorf("the file that the links led to holds %q, %v", b, err)
	}
}

// librdkafka looks for version 0 of the handshake before it authenticates, and then uses version 1.
func TestClientsOfLibrdkafkaFindTheHandshake(t *testing.T) {
	t.Parallel()
	b := openWith(t, t.TempDir(), "correct horse")
	for version := range int16(4) {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		ask := kmsg.NewPtrApiVersionsRequest()
		ask.ClientSoftwareName, ask.ClientSoftwareVersion = "librdkafka", "2.0.2"
		if _, err := c.Write(frame(ask, version)); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, answerHead)
		if _, err := io.ReadFull(c, head); err != nil {
			t.Fatal(err)
		}
		body := make([]byte, binary.BigEndian.Uint32(head)-4)
		if _, err := io.ReadFull(c, body); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		versions := kmsg.NewPtrApiVersionsResponse()
		versions.SetVersion(version)
		if err := versions.ReadFrom(body); err != nil || versions.ErrorCode != 0 {
			t.Fatalf("version %d: error code %d, %v", version, versions.ErrorCode, err)
		}
		found := false
		for _, k := range versions.ApiKeys {
			if kmsg.Key(k.ApiKey) == kmsg.SASLHandshake {
				found = k.MinVersion == 0 && k.MaxVersion == 1
			}
		}
		if !found || len(versions.ApiKeys) < 20 {
			t.Errorf("version %d: %d keys, the handshake as it has to be: %t", version, len(versions.ApiKeys), found)
		}
	}
}

// dated is a connection that remembers until when it may be read from.
type dated struct {
	net.Conn
	until time.Time
}

func (c *dated) SetReadDeadline(t time.Time) error {
	c.until = t
	return c.Conn.SetReadDeadline(t)
}

func TestStrangersHaveLittleTimeToAuthenticateAndOthersHaveAll(t *testing.T) {
	t.Parallel()
	for _, shut := range []bool{true, false} {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		conn := &dated{Conn: ours}
		g := newGate(conn, requestBytesMax, shut)
		if limited := !conn.until.IsZero(); limited != shut || limited && time.Until(conn.until) > strangersPatience {
			t.Fatalf("shut %t: until %s", shut, conn.until)
		}
		if !shut {
			continue
		}
		// Said nothing in time.
		if err := ours.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the time is over: %v", err)
		}
		for _, code := range []byte{58, 0, 0} { // a round that failed does not count
			g.asked = append(g.asked, requested{int16(kmsg.SASLAuthenticate), 1})
			if conn.until.IsZero() {
				t.Error("the time is not limited before the end of the authentication")
			}
			g.answer([]byte{0, 0, 0, 6, 0, 0, 0, 1, 0, code})
		}
		if !conn.until.IsZero() || g.shut {
			t.Errorf("authenticated: until %s, shut %t", conn.until, g.shut)
		}
	}
}

// exhausted fails to accept a few times, as when too many files are open.
type exhausted struct {
	net.Listener
	failures int
}

func (l *exhausted) Accept() (net.Conn, error) {
	if l.failures--; l.failures >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestBrokerListensOnAfterConnectionsThatCouldNotBeAccepted(t *testing.T) {
	t.Parallel()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lasting := listen.Lasting{Listener: &exhausted{socket, 3}, Failed: func(error, bool) {}}
	l := &gated{Listener: lasting, bytesMax: requestBytesMax, connections: listen.NewConnections(4, 1, func() {})}
	client, err := net.Dial("tcp", socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
