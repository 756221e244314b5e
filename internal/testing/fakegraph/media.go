package fakegraph

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Asset is a media asset of the fake.
type Asset struct {
	ID, MIME string
	Content  []byte
	// SHA256 is the announced hash; empty: the right one, "-": none.
	SHA256 string
	// Bytes is the announced length; 0: the right one, -1: none.
	Bytes int64
	// URL is the announced one; empty: the right one.
	URL string
	// NoRange: the server sends the whole content, also when a part is asked for.
	NoRange bool
}

// Download is what a request for a content gets instead of it.
type Download struct {
	Status   int               // with a Body; 0: the content
	Body     string            //
	Header   map[string]string //
	Cut      int               // closes the connection after that many bytes of the content
	Reset    bool              // closes it before the answer
	Content  []byte            // instead of the right one
	Delay    time.Duration     // before the answer, or until the client goes
	Stall    int               // after that many bytes of the content, nothing more comes until the client goes
	Unsized  bool              // the answer has no length
	OnAnswer func()            // called before the answer
}

// Got is a request for a content.
type Got struct{ ID, Range, Credential string }

// downloads is the folder of the contents.
const downloads = "contents"

type media struct {
	assets   map[string]*Asset
	lookUps  map[string][]*Reply
	gets     map[string][]*Download
	got      []Got
	lookedUp map[string]int
}

func newMedia() media {
	return media{assets: map[string]*Asset{}, lookUps: map[string][]*Reply{}, gets: map[string][]*Download{}, lookedUp: map[string]int{}}
}

// AddMedia adds assets.
func (s *Server) AddMedia(assets ...Asset) {
	s.set(func() {
		for _, a := range assets {
			s.media.assets[a.ID] = &a
		}
	})
}

// Expire removes an asset, as the provider does after some days.
func (s *Server) Expire(id string) {
	s.set(func() { s.media.assets[id].Content = nil; s.media.assets[id].URL = "gone" })
}

// NextLookUp adds replies for the next look-ups of an asset.
func (s *Server) NextLookUp(id string, replies ...*Reply) {
	s.set(func() { s.media.lookUps[id] = append(s.media.lookUps[id], replies...) })
}

// NextDownload adds what the next requests for a content get.
func (s *Server) NextDownload(id string, gets ...*Download) {
	s.set(func() { s.media.gets[id] = append(s.media.gets[id], gets...) })
}

// Downloads returns the requests for contents.
func (s *Server) Downloads() (got []Got) {
	s.set(func() { got = append(got, s.media.got...) })
	return got
}

// LookUps returns how often an asset was looked up.
func (s *Server) LookUps(id string) (n int) {
	s.set(func() { n = s.media.lookedUp[id] })
	return n
}

func (s *Server) isMedia(id string) (is bool) {
	s.set(func() { is = s.media.assets[id] != nil })
	return is
}

func (s *Server) lookUp(w http.ResponseWriter, r *http.Request, id string) {
	s.mu.Lock()
	a := *s.media.assets[id]
	s.media.lookedUp[id]++
	var reply *Reply
	if list := s.media.lookUps[id]; len(list) > 0 {
		reply, s.media.lookUps[id] = list[0], list[1:]
	}
	s.mu.Unlock()
	switch {
	case reply != nil:
	case a.URL == "gone":
		reply = Failure(http.StatusBadRequest, 100, 33, "Unsupported get request. Object with ID '"+id+"' does not exist")
	default:
		answer := map[string]any{"messaging_product": "whatsapp", "id": id, "mime_type": a.MIME, "url": a.URL}
		if a.URL == "" {
			answer["url"] = s.URL + "/" + downloads + "/" + id + "?ext=1&hash=x"
		}
		sum := sha256.Sum256(a.Content)
		switch a.SHA256 {
		case "":
			answer["sha256"] = hex.EncodeToString(sum[:])
		case "-":
		default:
			answer["sha256"] = a.SHA256
		}
		switch a.Bytes {
		case 0:
			answer["file_size"] = len(a.Content)
		case -1:
		default:
			answer["file_size"] = strconv.FormatInt(a.Bytes, 10)
		}
		body, _ := json.Marshal(answer)
		reply = &Reply{Status: http.StatusOK, Body: string(body)}
	}
	s.answer(w, r, reply)
}

func (s *Server) download(w http.ResponseWriter, r *http.Request, id, credential string) {
	s.mu.Lock()
	asset := s.media.assets[id]
	s.media.got = append(s.media.got, Got{id, r.Header.Get("Range"), credential})
	d := &Download{}
	if list := s.media.gets[id]; len(list) > 0 {
		d, s.media.gets[id] = list[0], list[1:]
	}
	s.mu.Unlock()
	if d.OnAnswer != nil {
		d.OnAnswer()
	}
	if d.Delay > 0 {
		select {
		case <-time.After(d.Delay):
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case d.Reset:
		s.answer(w, r, &Reply{CutNow: true})
		return
	case d.Status != 0:
		s.answer(w, r, &Reply{Status: d.Status, Body: d.Body, Header: d.Header})
		return
	case asset == nil || asset.URL == "gone":
		s.answer(w, r, &Reply{Status: http.StatusNotFound, Body: "{}"})
		return
	}
	content := asset.Content
	if d.Content != nil {
		content = d.Content
	}
	from, status := 0, http.StatusOK
	if rest, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && !asset.NoRange {
		from, _ = strconv.Atoi(strings.TrimSuffix(rest, "-"))
		if from >= len(content) {
			s.answer(w, r, &Reply{Status: http.StatusRequestedRangeNotSatisfiable})
			return
		}
		status = http.StatusPartialContent
	}
	s.send(w, d, content, from, status)
}

// send sends a content from an offset, or as much of it as the fault leaves.
func (s *Server) send(w http.ResponseWriter, d *Download, content []byte, from, status int) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	part := content[from:]
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n", status, http.StatusText(status))
	if !d.Unsized {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(part))
	}
	if status == http.StatusPartialContent {
		head += fmt.Sprintf("Content-Range: bytes %d-%d/%d\r\n", from, len(content)-1, len(content))
	}
	for k, v := range d.Header {
		head += k + ": " + v + "\r\n"
	}
	_, _ = conn.Write([]byte(head + "\r\n"))
	switch {
	case d.Cut > 0:
		part = part[:min(d.Cut, len(part))]
	case d.Stall > 0:
		_, _ = conn.Write(part[:min(d.Stall, len(part))])
		wait(conn)
		return
	}
	_, _ = conn.Write(part)
}

// wait returns when the client is gone.
func wait(conn net.Conn) {
	var b [1]byte
	_, _ = conn.Read(b[:])
}
