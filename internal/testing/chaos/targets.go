package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coexstream/coexstream/bench/child"
)

// targets are the receiver of webhooks and the S3 server, and the sinks that write to them. Each sink reaches its target by a link of its own.
type targets struct {
	receiver, bucket *process
	links            links
	sinks            map[string]*process
	endpoints        string // file, with the receiver's own address
	url              string // of the archive, with the bucket's own address
	restarts         int    // of webhook sinks, at most
}

const (
	targetSinks   = 2 // of each kind
	bucketOfTests = "archive"
	webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
	metaHookKey   = "chaos-webhook-secret"
)

// endpointsAt describes the endpoints of a receiver: one of each format.
func endpointsAt(address string) string {
	const common = "insecure_http: true, allow: [127.0.0.0/8], start: beginning, in_flight: 16, timeout: 3s"
	return fmt.Sprintf(`endpoints:
  - {name: crm, url: 'http://%s/crm', %s, secrets: [{id: a, value: %s}]}
  - {name: inbox, url: 'http://%s/inbox', format: meta, %s, secrets: [{id: a, value: %s}]}
`, address, common, webhookSecret, address, common, metaHookKey)
}

func archiveAt(address string) string {
	return "s3://" + bucketOfTests + "?region=eu-central-1&use_path_style=true&endpoint=" + url.QueryEscape("http://"+address)
}

// setTargets builds the S3 server, and prepares receiver, server and sinks.
func (s *stage) setTargets(ctx context.Context) error {
	server := filepath.Join(s.dir, "s3server")
	if err := build(ctx, s.dir, "s3server", nil, "-o", server, "./internal/testing/s3server"); err != nil {
		return err
	}
	addrs, err := child.FreeAddresses(2 + 2*targetSinks)
	if err != nil {
		return err
	}
	t := &targets{sinks: map[string]*process{}, endpoints: filepath.Join(s.dir, "endpoints.yaml"), url: archiveAt(addrs[1])}
	s.targets = t
	if err := os.WriteFile(t.endpoints, []byte(endpointsAt(addrs[0])), 0o600); err != nil {
		return err
	}
	t.receiver = &process{
		name: receiverName, binary: s.binary, dir: s.dir, ended: s.ended, probe: "http://" + addrs[0] + "/readyz",
		args: []string{
			"simulate", "receiver", "--config", s.configFile(), "--endpoints-file", t.endpoints, "--listen", addrs[0], "--dir", s.received(),
			"--fail-rate", "0.003", "--cut-rate", "0.002", "--silent-rate", "0.0005",
		},
	}
	t.bucket = &process{
		name: bucketName, binary: server, dir: s.dir, ended: s.ended, probe: "http://" + addrs[1] + "/" + bucketOfTests,
		args: []string{"-listen", addrs[1], "-dir", filepath.Join(s.dir, "bucket"), "-bucket", bucketOfTests},
	}
	for i := range targetSinks {
		l, err := newLink(ctx, webhookName(i+1), receiverName, anyPort, addrs[0])
		if err != nil {
			return err
		}
		t.links = append(t.links, l)
		file := filepath.Join(s.dir, webhookName(i+1)+".yaml")
		if err := os.WriteFile(file, []byte(endpointsAt(l.addr())), 0o600); err != nil {
			return err
		}
		t.sinks[webhookName(i+1)] = s.targetSink(webhookName(i+1), addrs[2+i], "webhook", "--endpoints-file", file)
		if l, err = newLink(ctx, archiveName(i+1), bucketName, anyPort, addrs[1]); err != nil {
			return err
		}
		t.links = append(t.links, l)
		t.sinks[archiveName(i+1)] = s.targetSink(archiveName(i+1), addrs[2+targetSinks+i], "archive", "--url", archiveAt(l.addr()))
	}
	return nil
}

func (s *stage) targetSink(name, admin, kind string, args ...string) *process {
	all := append([]string{"sink", kind, "--config", s.configFile(), "--brokers", s.cluster.addrs(name)}, args...)
	return &process{name: name, binary: s.binary, dir: s.dir, admin: admin, args: all, ended: s.ended}
}

// received is the folder of the receiver's files.
func (s *stage) received() string { return filepath.Join(s.dir, "received") }

// bucketEnvironment is for clients of the S3 server.
func bucketEnvironment() []string {
	return []string{"AWS_ACCESS_KEY_ID=chaos", "AWS_SECRET_ACCESS_KEY=chaos", "AWS_EC2_METADATA_DISABLED=true"}
}

func (t *targets) all() []*process {
	all := []*process{t.receiver, t.bucket}
	for _, name := range append(webhookNames(), archiveNames()...) {
		all = append(all, t.sinks[name])
	}
	return all
}

func (t *targets) close() {
	for _, p := range t.all() {
		if p != nil {
			p.kill()
		}
	}
	t.links.close()
}

// checkArgs are the arguments of check that judge the targets.
func (s *stage) checkArgs() []string {
	t := s.targets
	return []string{"--receiver", s.received(), "--receiver-restarts", strconv.Itoa(t.restarts), "--endpoints-file", t.endpoints, "--archive", t.url}
}

// restartsOf counts how often faults can make webhook sinks repeat their requests in flight. That is once where a sink is killed, suspended,
// or cut off from Kafka. It is once for each sink where a broker is away, which may lead partitions or coordinate groups.
func restartsOf(faults []fault) (n int) {
	for _, f := range faults {
		client, other, link := strings.Cut(f.target, "~")
		switch {
		case strings.HasPrefix(client, webhookPrefix) && (!link || other != receiverName):
			n++
		case isBroker(f.target):
			n += targetSinks
		}
	}
	return n
}

// failing are the arguments of a receiver that mostly fails.
func failing(seed int) []string {
	return []string{"--seed", strconv.Itoa(seed), "--fail-rate", "0.5", "--cut-rate", "0.1", "--silent-rate", "0.05", "--delay", "50ms"}
}

// onTarget is for faults of the receiver and of the S3 server.
func (s *stage) onTarget(ctx context.Context, p *process, f fault) error {
	again := func(args []string) error {
		p.kill()
		p.more = args
		return p.start()
	}
	switch f.kind {
	case kindKill:
		p.kill()
		_ = rest(ctx, f.length) // told to stop: it is started all the same
		return p.start()
	case kindFail:
		err := again(failing(int(f.at / time.Millisecond)))
		_ = rest(ctx, f.length) // as above
		return errors.Join(err, again(nil))
	case kindZombie, kindPause:
		if err := p.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		_ = rest(ctx, f.length) // as above
		return p.signal(syscall.SIGCONT)
	}
	return errors.New("no such fault of a target")
}
