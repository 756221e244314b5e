package receiver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// Config is how the receiver works.
type Config struct {
	Endpoints []Endpoint
	Dir       string // of the files, one for each endpoint
	Failures  Failures
	Now       func() time.Time
}

// Extension is that of the files.
const Extension = ".jsonl"

// Server takes the webhooks of its endpoints.
type Server struct {
	cfg    Config
	paths  map[string]*served
	dice   *dice
	number atomic.Int64 // of connections
}

// served is an endpoint with its file.
type served struct {
	Endpoint
	journal *journal
}

// bodyBytesMax is above each limit that the sink has.
const bodyBytesMax = 128 << 20

// silence is how long a connection is held whose request gets no answer.
const silence = 2 * time.Minute

// New opens the files, and writes that the receiver started.
func New(cfg Config) (*Server, error) {
	if err := cfg.Failures.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, paths: map[string]*served{}, dice: newDice(cfg.Failures)}
	for _, e := range cfg.Endpoints {
		j, err := openJournal(filepath.Join(cfg.Dir, e.Name+Extension))
		if err == nil {
			s.paths[e.Path] = &served{e, j}
			err = j.write(Line{Start: &Start{Version: Version, Endpoint: e.Name, Format: e.Format, AtMS: cfg.Now().UnixMilli()}})
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("endpoint %s: %w", e.Name, err), s.close())
		}
	}
	return s, nil
}

func (s *Server) close() error {
	var err error
	for _, e := range s.paths {
		err = errors.Join(err, e.journal.close())
	}
	return err
}

type connectionKey struct{}

// Serve answers requests until ctx ends, and then those that it has. HTTP/2 is off: a connection has one request at a time, so that the next
// one proves that the answer arrived. certFile and keyFile may be empty.
func (s *Server) Serve(ctx context.Context, l net.Listener, certFile, keyFile string) error {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler: s, Protocols: protocols, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, s.number.Add(1))
		},
	}
	stopped := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := server.Shutdown(late)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // silent requests
		}
		stopped <- err
	}()
	var err error
	if certFile != "" {
		err = server.ServeTLS(l, certFile, keyFile)
	} else {
		err = server.Serve(l)
	}
	cancel()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, <-stopped, s.close())
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/readyz" {
		return
	}
	e := s.paths[r.URL.Path]
	switch {
	case e == nil:
		http.NotFound(w, r)
	case r.Method == http.MethodGet && e.Format == FormatMeta:
		e.subscribe(w, r)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		s.take(w, r, e)
	}
}

// subscribe answers Meta's verification of a callback URL.
func (e *Endpoint) subscribe(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if e.VerifyToken == "" || q.Get("hub.mode") != "subscribe" || q.Get("hub.verify_token") != e.VerifyToken {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, q.Get("hub.challenge")) // the sender asks again
}

// take reads a webhook, notes it with its answer, and then answers.
func (s *Server) take(w http.ResponseWriter, r *http.Request, e *served) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err != nil {
		return // the sender is gone, or sends without an end: nothing was taken
	}
	connection, _ := r.Context().Value(connectionKey{}).(int64)
	q := &Request{Connection: connection, WebhookID: r.Header.Get("Webhook-Id"), Status: http.StatusOK}
	var f fate
	var valid bool
	q.WABA, valid = wabaOf(body)
	switch {
	case !e.verified(r.Header, body, s.cfg.Now()):
		q.Status, q.Why = http.StatusUnauthorized, "the signature does not verify"
	case !valid:
		q.Status, q.Why = http.StatusBadRequest, "the body is no JSON object"
	default:
		if f = s.dice.next(); f.status != http.StatusOK {
			q.Status, q.Why = f.status, "on purpose"
		}
	}
	if !rest(r.Context(), f.after) {
		return
	}
	if q.AtMS = s.cfg.Now().UnixMilli(); q.Status == http.StatusOK {
		q.setBody(body)
	}
	if err := e.journal.write(Line{Request: q}); err != nil {
		http.Error(w, "the webhook could not be kept", http.StatusInternalServerError)
		return
	}
	switch q.Status {
	case 0:
		if f.silent {
			rest(r.Context(), silence)
		}
		panic(http.ErrAbortHandler) // closes the connection
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(q.Status)
}

// rest is false when ctx ended first: the sender is gone.
func rest(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// wabaOf is the business of a body, for people who read the file. It is false if the body is no JSON object.
func wabaOf(body []byte) (string, bool) {
	var b struct {
		Source string `json:"source"`
		Data   struct {
			WABA string `json:"waba_id"`
		} `json:"data"`
		Entry []struct {
			ID string `json:"id"`
		} `json:"entry"`
	}
	err := json.Unmarshal(body, &b)
	var other *json.UnmarshalTypeError
	switch {
	case err != nil && !errors.As(err, &other), !strings.HasPrefix(strings.TrimLeft(string(body[:min(len(body), 64)]), " \t\r\n"), "{"):
		return "", false
	case len(b.Entry) > 0:
		return b.Entry[0].ID, true
	case b.Data.WABA != "":
		return b.Data.WABA, true
	}
	waba, _, _ := strings.Cut(strings.TrimPrefix(b.Source, "/whatsapp/"), "/") // the removal of a contact
	return waba, true
}
