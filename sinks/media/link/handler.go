package link

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/sinks/media/plan"
)

// Handler serves the contents of links. A content is always a download of an unknown type: a browser shows and runs nothing of it.
type Handler struct {
	Key    func() Key
	Bucket archive.Contents
	Now    func() time.Time
	Logger *slog.Logger
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "private, no-store")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	hash, filename, err := Check(h.Key(), path, r.URL.Query(), h.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	if err := h.send(w, r, hash, filename); err != nil {
		h.Logger.Warn("a content cannot be sent", "object", plan.ObjectName(hash), "error", err)
	}
}

func (h *Handler) send(w http.ResponseWriter, r *http.Request, hash, filename string) error {
	name := plan.ObjectName(hash)
	bytes, err := h.Bucket.Bytes(r.Context(), name)
	if errors.Is(err, archive.ErrNotFound) {
		http.NotFound(w, r)
		return nil
	}
	if err != nil {
		http.Error(w, "the content cannot be read now", http.StatusBadGateway)
		return err
	}
	head := w.Header()
	head.Set("Content-Type", "application/octet-stream")
	head.Set("Content-Disposition", mime.FormatMediaType("attachment", parameters(filename)))
	head.Set("Content-Length", strconv.FormatInt(bytes, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	content, err := h.Bucket.Open(r.Context(), name, -1)
	if err != nil {
		head.Del("Content-Length")
		head.Del("Content-Disposition")
		http.Error(w, "the content cannot be read now", http.StatusBadGateway)
		return err
	}
	_, err = io.Copy(w, content)
	return errors.Join(err, content.Close())
}

func parameters(filename string) map[string]string {
	if filename == "" {
		return nil
	}
	return map[string]string{"filename": filename}
}
