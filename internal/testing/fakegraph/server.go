// Package fakegraph is a Graph API for tests: numbers, WABAs, apps and requests for syncs. It answers each documented error,
// waits, and cuts connections at any byte. It counts what it accepted, so that a test sees a second request.
package fakegraph

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Number is a number of the fake.
type Number struct {
	ID, WABA, Display, Platform string
	OnBizApp                    bool
}

// Post is a request for a sync that arrived whole.
type Post struct {
	Number, Type, Credential string
	Accepted                 bool
}

// Reply is what a request for a sync gets instead of an acceptance.
type Reply struct {
	Status  int
	Header  map[string]string
	Body    string
	Accepts bool // the request counts as accepted all the same, as if only the answer was lost
	// Cut closes the connection after that many bytes of the answer, headers included; 0: no cut. CutNow closes it before.
	Cut    int
	CutNow bool
	Delay  time.Duration // before the answer, or until the client goes
}

// Failure is a Reply with an error of the Graph API.
func Failure(status int, code, subcode int, message string) *Reply {
	e := map[string]any{"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "Afake"}
	if subcode != 0 {
		e["error_subcode"] = subcode
	}
	body, _ := json.Marshal(map[string]any{"error": e})
	return &Reply{Status: status, Body: string(body)}
}

// Server is the fake.
type Server struct {
	*httptest.Server

	mu       sync.Mutex
	numbers  []Number
	apps     map[string][]string // by WABA
	fields   map[string][]string // by app
	callback string
	tokens   []string // accepted ones; empty: any
	replies  map[string][]*Reply
	posts    []Post
	paths    []string
	onPost   func(Post)
	media    media
}

// Fields are the webhook fields of a coexistence app.
var Fields = []string{"messages", "history", "smb_app_state_sync", "smb_message_echoes", "account_update"}

// New starts a fake on loopback.
func New() *Server {
	s := Unstarted()
	s.Start()
	return s
}

// Unstarted returns a fake that a test starts itself, for example with TLS.
func Unstarted() *Server {
	s := &Server{apps: map[string][]string{}, fields: map[string][]string{}, replies: map[string][]*Reply{}, media: newMedia()}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	return s
}

// Add adds numbers whose WABA has app 555 with all fields.
func (s *Server) Add(numbers ...Number) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range numbers {
		if n.Platform == "" {
			n.Platform = "CLOUD_API"
		}
		s.numbers = append(s.numbers, n)
		if _, ok := s.apps[n.WABA]; !ok {
			s.apps[n.WABA] = []string{"555"}
		}
	}
	s.fields["555"] = slices.Clone(Fields)
}

// Change changes a number.
func (s *Server) Change(id string, change func(*Number)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.numbers {
		if s.numbers[i].ID == id {
			change(&s.numbers[i])
		}
	}
}

// Subscribe sets the apps of a WABA.
func (s *Server) Subscribe(waba string, apps ...string) { s.set(func() { s.apps[waba] = apps }) }

// SetFields sets the fields of an app.
func (s *Server) SetFields(app string, fields ...string) { s.set(func() { s.fields[app] = fields }) }

// SetTokens sets the accepted tokens.
func (s *Server) SetTokens(tokens ...string) { s.set(func() { s.tokens = tokens }) }

// OnPost calls f for each accepted request, after its answer was written.
func (s *Server) OnPost(f func(Post)) { s.set(func() { s.onPost = f }) }

func (s *Server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Next adds replies for the next requests of a type ("smb_app_state_sync", "history") for a number.
func (s *Server) Next(number, syncType string, replies ...*Reply) {
	s.set(func() { s.replies[number+" "+syncType] = append(s.replies[number+" "+syncType], replies...) })
}

// Posts returns the requests for syncs that arrived whole.
func (s *Server) Posts() []Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// Paths returns the method and the path of every request.
func (s *Server) Paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.paths)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.set(func() { s.paths = append(s.paths, r.Method+" "+r.URL.Path) })
	credential := r.Header.Get("D360-API-KEY")
	if credential == "" {
		credential = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	s.mu.Lock()
	known := len(s.tokens) == 0 || slices.Contains(s.tokens, credential)
	s.mu.Unlock()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) > 0 && strings.HasPrefix(parts[0], "v") {
		parts = parts[1:]
	}
	switch {
	case credential == "" || !known:
		// Meta quotes a malformed token in its message.
		s.answer(w, r, Failure(http.StatusUnauthorized, 190, 0, "Malformed access token "+credential))
	case r.Method == http.MethodPost && len(parts) == 2 && parts[1] == "smb_app_data":
		s.sync(w, r, parts[0], credential)
	case r.Method == http.MethodPost && len(parts) == 1 && parts[0] == "synchronization":
		s.sync(w, r, "", credential)
	case r.Method == http.MethodGet && len(parts) == 2 && parts[0] == downloads:
		s.download(w, r, parts[1], credential)
	case r.Method == http.MethodGet && len(parts) == 1 && s.isMedia(parts[0]):
		s.lookUp(w, r, parts[0])
	case r.Method == http.MethodGet && len(parts) == 1:
		s.number(w, r, parts[0])
	case r.Method == http.MethodGet && len(parts) == 2:
		s.edge(w, r, parts[0], parts[1])
	default:
		s.answer(w, r, Failure(http.StatusBadRequest, 100, 0, "Unsupported "+r.Method+" request"))
	}
}

func (s *Server) sync(w http.ResponseWriter, r *http.Request, number, credential string) {
	var body struct {
		Product string `json:"messaging_product"`
		Type    string `json:"sync_type"`
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if json.Unmarshal(raw, &body) != nil || body.Product != "whatsapp" {
		s.answer(w, r, Failure(http.StatusBadRequest, 100, 0, "Invalid parameter"))
		return
	}
	s.mu.Lock()
	key := number + " " + body.Type
	var reply *Reply
	if list := s.replies[key]; len(list) > 0 {
		reply, s.replies[key] = list[0], list[1:]
	} else if slices.ContainsFunc(s.posts, func(p Post) bool { return p.Accepted && p.Number == number && p.Type == body.Type }) {
		reply = Failure(http.StatusBadRequest, 2593107, 0, "Request limit exceeded")
	}
	if reply == nil {
		reply = &Reply{Status: http.StatusOK, Accepts: true}
	}
	if reply.Body == "" && reply.Status == http.StatusOK {
		filled := *reply
		filled.Body = fmt.Sprintf(`{"messaging_product":"whatsapp","request_id":"req-%s-%s-%d"}`, number, body.Type, len(s.posts)+1)
		reply = &filled
	}
	post := Post{number, body.Type, credential, reply.Accepts}
	s.posts = append(s.posts, post)
	after := s.onPost
	s.mu.Unlock()
	s.answer(w, r, reply)
	if after != nil && post.Accepted {
		go after(post)
	}
}

func (s *Server) number(w http.ResponseWriter, r *http.Request, id string) {
	s.mu.Lock()
	i := slices.IndexFunc(s.numbers, func(n Number) bool { return n.ID == id })
	var body []byte
	if i >= 0 {
		body, _ = json.Marshal(numberJSON(s.numbers[i]))
	}
	s.mu.Unlock()
	if i < 0 {
		s.answer(w, r, Failure(http.StatusBadRequest, 100, 33, "Unsupported get request. Object with ID '"+id+"' does not exist"))
		return
	}
	s.answer(w, r, &Reply{Status: http.StatusOK, Body: string(body)})
}

func numberJSON(n Number) map[string]any {
	return map[string]any{"id": n.ID, "display_phone_number": n.Display, "is_on_biz_app": n.OnBizApp, "platform_type": n.Platform}
}

func (s *Server) edge(w http.ResponseWriter, r *http.Request, id, edge string) {
	data := []any{}
	s.mu.Lock()
	switch edge {
	case "phone_numbers":
		for _, n := range s.numbers {
			if n.WABA == id {
				data = append(data, numberJSON(n))
			}
		}
	case "subscribed_apps":
		for _, app := range s.apps[id] {
			data = append(data, map[string]any{"whatsapp_business_api_data": map[string]string{"id": app, "name": "app " + app}})
		}
	case "subscriptions":
		if fields, ok := s.fields[id]; ok {
			list := []any{}
			for _, f := range fields {
				list = append(list, map[string]string{"name": f, "version": "v24.0"})
			}
			data = append(data, map[string]any{"object": "whatsapp_business_account", "callback_url": s.callback, "active": true, "fields": list})
		}
	}
	s.mu.Unlock()
	body, _ := json.Marshal(map[string]any{"data": data})
	s.answer(w, r, &Reply{Status: http.StatusOK, Body: string(body)})
}

// answer writes a reply, or as much of it as its cut leaves.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, reply *Reply) {
	if reply.Delay > 0 {
		select {
		case <-time.After(reply.Delay):
		case <-r.Context().Done():
			return
		}
	}
	if !reply.CutNow && reply.Cut == 0 {
		w.Header().Set("Content-Type", "application/json")
		for k, v := range reply.Header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(reply.Status)
		_, _ = io.WriteString(w, reply.Body)
		return
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic("fakegraph: the connection cannot be cut")
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	if reply.CutNow {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset
		}
		return
	}
	whole := Bytes(reply)
	_, _ = conn.Write(whole[:min(reply.Cut, len(whole))])
}

// Bytes returns the bytes of a reply on the wire, for cuts.
func Bytes(reply *Reply) []byte {
	return []byte("HTTP/1.1 " + strconv.Itoa(reply.Status) + " " + http.StatusText(reply.Status) +
		"\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(reply.Body)) + "\r\nConnection: close\r\n\r\n" + reply.Body)
}
