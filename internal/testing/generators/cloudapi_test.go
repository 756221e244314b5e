package generators

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
	read "github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks/webhook/envelope"
)

// object is an object that a client library for the Cloud API read in a webhook.
type object struct {
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	Text   string `json:"text"`
	Status string `json:"status"`
}

// application runs a program with a client library, and collects its objects.
type application struct {
	name string

	mu   sync.Mutex
	read []object
	port string
}

func (a *application) all() []object {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.read)
}

const (
	applicationSecret = "0123456789abcdef0123456789abcdef"
	applicationToken  = "the-token-of-the-application"
)

// startApplication starts a program of testdata, and waits until it listens.
func startApplication(t *testing.T, folder string, env []string, interpreter, program string) *application {
	t.Helper()
	write(t, filepath.Join(folder, program), content(t, program))
	a := &application{name: strings.TrimPrefix(filepath.Ext(program), ".")}
	cmd := exec.CommandContext(t.Context(), interpreter, program, applicationSecret, applicationToken)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("%s did not start: %v\n%s", program, cmd.Wait(), &errs)
	}
	var ready object
	if err := json.Unmarshal(lines.Bytes(), &ready); err != nil || ready.Kind != "ready" {
		t.Fatalf("%s: %q, %v", program, lines.Bytes(), err)
	}
	a.port = ready.ID
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines.Scan() {
			var o object
			if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
				o = object{Kind: "fault", Text: lines.Text()}
			}
			a.mu.Lock()
			a.read = append(a.read, o)
			a.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
	})
	return a
}

// pipeline is an `up` in a folder of its own.
type pipeline struct {
	t      *testing.T
	binary string
	dir    string
}

func (p *pipeline) run(args ...string) string {
	p.t.Helper()
	return run(p.t, p.dir, nil, p.binary, args...)
}

// startPipeline builds the program and starts `up` with some endpoints.
func startPipeline(t *testing.T, endpoints string) *pipeline {
	t.Helper()
	p := &pipeline{t: t, dir: t.TempDir()}
	p.binary = filepath.Join(p.dir, "coexstream")
	run(t, "../../..", nil, "go", "build", "-o", p.binary, ".")
	write(t, filepath.Join(p.dir, "endpoints.yaml"), []byte(endpoints))
	write(t, filepath.Join(p.dir, "coexstream.yaml"), []byte("sink: {sqlite: {enabled: false}, webhook: {endpoints_file: endpoints.yaml}}\n"))
	log, err := os.Create(filepath.Join(p.dir, "up.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	up := exec.CommandContext(context.WithoutCancel(t.Context()), p.binary, "up", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0")
	up.Dir, up.Stdout, up.Stderr = p.dir, log, log
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = up.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = up.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	waitFor(t, "up is ready", func() bool {
		text, err := os.ReadFile(log.Name())
		return err == nil && bytes.Contains(text, []byte(`"msg":"ready"`))
	})
	return p
}

// waitFor waits for a condition, three minutes at most.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(90 * time.Second)
	for !ok() {
		select {
		case <-limit:
			t.Errorf("never: %s", what)
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// conversation is the objects of a record key of a topic, in their order.
type conversation struct{ topic, key string }

// owed are the objects that an application has to read of the events in the topics.
func (p *pipeline) owed() (all []object, of map[conversation][]object) {
	p.t.Helper()
	of = map[conversation][]object{}
	out := p.run("tail", "messages", "echoes", "contacts", "account", "other", "history", "media", "--no-follow", "--output", "json")
	for line := range strings.Lines(out) {
		var r struct {
			Topic, Key string
			Headers    map[string]string
			Value      json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			p.t.Fatal(err)
		}
		if string(r.Value) == "null" {
			r.Value = nil
		}
		topic, _ := schemas.ParseTopic(strings.TrimPrefix(r.Topic, "coex."))
		var headers []partition.Header
		for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
			headers = append(headers, partition.Header{Key: name, Value: []byte(r.Headers[name])})
		}
		e, err := read.Read(topic, []byte(r.Key), headers, r.Value)
		if err != nil {
			p.t.Fatalf("%v: %s", err, line)
		}
		if !envelope.HasMeta(&e) {
			continue
		}
		o := objectOf(p.t, &e)
		all = append(all, o)
		at := conversation{r.Topic, r.Key}
		of[at] = append(of[at], o)
	}
	return all, of
}

// objectOf is the object of an event, by the vendor's own words in it.
func objectOf(t *testing.T, e *read.Event) object {
	t.Helper()
	words := func(original json.RawMessage) (w struct {
		ID      string
		Type    string
		Status  string
		Text    struct{ Body string }
		Code    json.Number
		Field   string
		Event   string
		Action  string
		Contact struct {
			Phone string `json:"phone_number"`
			User  string `json:"user_id"`
			Name  string `json:"full_name"`
		}
	},
	) {
		if err := json.Unmarshal(original, &w); err != nil {
			t.Fatalf("%v: %s", err, original)
		}
		return w
	}
	switch {
	case e.Type == schemas.TypeHandover:
		return object{Kind: "other", ID: schemas.FieldHandovers}
	case e.Message != nil && e.Message.Standby:
		return object{Kind: "other", ID: schemas.FieldStandby}
	case e.Message != nil:
		w := words(e.Message.Original)
		o := object{Kind: map[string]string{
			schemas.TypeMessage: "message", schemas.TypeStatus: "status", schemas.TypeError: "error", schemas.TypeEcho: "echo", schemas.TypeHistory: "history", schemas.TypeMedia: "media",
		}[e.Type], ID: w.ID}
		switch e.Type {
		case schemas.TypeStatus:
			o.Status = w.Status
		case schemas.TypeError:
			o.ID = w.Code.String()
		default:
			o.Text = w.Text.Body
		}
		return o
	case e.Contact != nil:
		w := words(e.Contact.Original)
		o := object{Kind: "contact", ID: w.Contact.Phone, Text: w.Contact.Name, Status: w.Action}
		if o.ID == "" {
			o.ID = w.Contact.User
		}
		return o
	case e.Account != nil:
		if w := words(e.Account.Original); w.Event == "" {
			return object{Kind: "other", ID: strings.ToLower(e.Account.Event)}
		}
		return object{Kind: "other", ID: schemas.FieldAccountUpdate}
	case e.Other != nil:
		return object{Kind: "other", ID: e.Other.Field}
	}
	o := object{Kind: "contact", ID: e.Headers.Contact.Phone, Status: "remove"}
	if o.ID == "" {
		o.ID = e.Headers.Contact.User
	}
	return o
}

func counts(all []object) map[object]int {
	n := map[object]int{}
	for _, o := range all {
		n[o]++
	}
	return n
}

// TestCloudAPILibrariesReadEverythingThatSimulateSends puts two applications behind `up`, whose client libraries verify and read the webhooks of
// the format meta: pywa in Python, and @kapso/whatsapp-cloud-api in JavaScript. Each reads every event, and each conversation in its order.
func TestCloudAPILibrariesReadEverythingThatSimulateSends(t *testing.T) {
	gate(t)
	scripts := t.TempDir()
	javascript := startApplication(t, scripts, nil, node(t, scripts), "receive.mjs")
	interpreter, env := python(t)
	applications := []*application{javascript, startApplication(t, t.TempDir(), env, interpreter, "receive.py")}
	endpoints := "endpoints:\n"
	for _, a := range applications {
		endpoints += fmt.Sprintf("  - {name: %s, url: 'http://127.0.0.1:%s/webhook', format: meta, insecure_http: true, allow: [127.0.0.0/8], historical: true, "+
			"start: beginning, verify_token: %s, secrets: [{id: a, value: %s}]}\n", a.name, a.port, applicationToken, applicationSecret)
	}
	p := startPipeline(t, endpoints)
	for _, a := range applications {
		if out := p.run("sink", "webhook", "ping", a.name); !strings.HasPrefix(out, "verification: status 200") {
			t.Errorf("%s: %s", a.name, out)
		}
	}
	p.run("simulate", "--businesses", "5", "--messages", "800", "--live", "400", "--contacts", "80", "--seed", "7", "--ycloud", "0", "--reonboard", "0.4")
	p.run("check")
	owed, conversations := p.owed()
	want := counts(owed)
	kinds := map[string]int{}
	for _, o := range owed {
		kinds[o.Kind]++
	}
	for _, kind := range []string{"message", "status", "echo", "history", "media", "contact", "other"} {
		if kinds[kind] == 0 {
			t.Errorf("the world has no %s", kind)
		}
	}
	for _, a := range applications {
		waitFor(t, a.name+" got everything", func() bool { return len(a.all()) >= len(owed) })
		got := counts(a.all())
		for _, o := range slices.SortedFunc(maps.Keys(want), func(x, y object) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) }) {
			if got[o] != want[o] {
				t.Errorf("%s read %+v %d times, and it was there %d times", a.name, o, got[o], want[o])
			}
			delete(got, o)
		}
		for o, n := range got {
			t.Errorf("%s read %+v %d times, which is no event", a.name, o, n)
		}
		inOrder(t, a, conversations)
	}
	t.Logf("%v", kinds)
}

// inOrder holds that an application read each conversation in the order of its topic.
func inOrder(t *testing.T, a *application, conversations map[conversation][]object) {
	t.Helper()
	owner, shared := map[object]conversation{}, map[object]bool{}
	for at, objects := range conversations {
		for _, o := range objects {
			if was, ok := owner[o]; ok && was != at {
				shared[o] = true
			}
			owner[o] = at
		}
	}
	got := map[conversation][]object{}
	for _, o := range a.all() {
		if at, ok := owner[o]; ok && !shared[o] {
			got[at] = append(got[at], o)
		}
	}
	for at, objects := range conversations {
		want := slices.DeleteFunc(slices.Clone(objects), func(o object) bool { return shared[o] })
		if !slices.Equal(got[at], want) {
			t.Errorf("%s read the conversation %v in another order: %v, want %v", a.name, at, got[at], want)
		}
	}
}
