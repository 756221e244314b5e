package media_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/media/plan"
)

// heldUpload is a bucket that reads the first content that it keeps in two parts, with a pause between them.
type heldUpload struct {
	archive.Contents
	once           sync.Once
	began, release chan struct{}
	uploads        atomic.Int32
}

func (h *heldUpload) Keep(ctx context.Context, name string, content io.ReadSeeker) error {
	h.uploads.Add(1)
	return h.Contents.Keep(ctx, name, &heldReader{content, h, 0})
}

type heldReader struct {
	io.ReadSeeker
	h *heldUpload
	n int
}

func (r *heldReader) Read(b []byte) (int, error) {
	if r.n > 0 {
		r.h.once.Do(func() { close(r.h.began) })
		<-r.h.release
	}
	n, err := r.ReadSeeker.Read(b[:min(len(b), 10_000)])
	r.n += n
	return n, err
}

// Two events name one asset. While the first one's content is written to the bucket, the second one is downloaded.
func TestTwoEventsWithOneAssetDoNotCutEachOthersContent(t *testing.T) {
	w := newWorld(t)
	c := content(50_000, 7)
	held := &heldUpload{Contents: w.folder, began: make(chan struct{}), release: make(chan struct{})}
	w.folder = held
	w.fake.AddMedia(fakegraph.Asset{ID: "41", MIME: "image/jpeg", Content: c})
	// If the second event found the first one's file, its request for the rest would be refused, and it would begin again.
	w.fake.NextDownload("41", &fakegraph.Download{}, &fakegraph.Download{}, &fakegraph.Download{Delay: time.Second})
	p := w.begin(0, false)
	w.message(schemas.TopicMessages, "41", c)
	<-held.began
	w.message(schemas.TopicEchoes, "91", c, property("id", "41"), property("sha256", nil))
	until(t, "the second event has its content", func() bool { return held.uploads.Load() >= 2 || len(w.fake.Downloads()) >= 3 })
	close(held.release)
	until(t, "both events have their record", func() bool { return len(w.logs.assets(t)) >= 2 })
	w.stop(p)
	stored, err := os.Stat(filepath.Join(w.dir, "bucket", filepath.FromSlash(plan.ObjectName(hash(c)))))
	if err != nil || stored.Size() != int64(len(c)) {
		t.Errorf("the object has not the %d bytes of the content: %v %v", len(c), stored, err)
	}
}
