package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/media/plan"
)

// resumesMax is how often an attempt continues a download that ended early.
const resumesMax = 5

// attempt makes one attempt at an asset.
func (s *Sink) attempt(ctx context.Context, it *plan.Item) plan.Result {
	a := &it.Asset
	if r, ok := s.known(ctx, a.SHA256); ok {
		return r
	}
	if !s.allowed(a.MIMEType) {
		return plan.Result{Kind: plan.TypeNotAllowed, Detail: "the declared type is none of sink.media.types"}
	}
	if err := s.makeRoom(); err != nil {
		return own("make room for the download", err)
	}
	file, err := s.stage.open(it)
	if err != nil {
		return own("open the file of the download", err)
	}
	r := s.fetch(ctx, it, file)
	if r.Kind != plan.Away && r.Kind != plan.Own && r.Kind != plan.Throttled && r.Kind != plan.Denied && ctx.Err() == nil {
		err = os.Remove(file.Name()) // nothing continues it
	}
	if err = errors.Join(err, file.Close()); err != nil && r.Kind != plan.Stored {
		return own("close the file of the download", err)
	}
	return r
}

func own(what string, err error) plan.Result {
	return plan.Result{Kind: plan.Own, Detail: fmt.Sprintf("%s: %v", what, err)}
}

// known returns the result of an asset whose content is in the bucket already.
func (s *Sink) known(ctx context.Context, sum string) (plan.Result, bool) {
	if sum == "" {
		return plan.Result{}, false
	}
	name := plan.ObjectName(sum)
	n, err := s.deps.Bucket.Bytes(ctx, name)
	if errors.Is(err, archive.ErrNotFound) {
		return plan.Result{}, false
	}
	if err != nil {
		return own("look into the bucket", err), true
	}
	r := plan.Result{Kind: plan.Stored, SHA256: sum, Bytes: n}
	content, err := s.deps.Bucket.Open(ctx, name, sniffBytes)
	if err == nil {
		r.DetectedType, err = detect(content)
		err = errors.Join(err, content.Close())
	}
	if err != nil {
		return own("look into the bucket", err), true
	}
	return r, true
}

// fetch brings a content into a file, and then into the bucket.
func (s *Sink) fetch(ctx context.Context, it *plan.Item, file *os.File) plan.Result {
	a := &it.Asset
	if a.SHA256 != "" { // a former process may have been killed before it stored it
		if sum, n, err := digest(file); err != nil {
			return own("read the file of the download", err)
		} else if n > 0 && sum == a.SHA256 {
			return s.keep(ctx, file, plan.Result{SHA256: sum, Bytes: n})
		}
	}
	if !s.deps.Now().Before(a.Expires) {
		return plan.Result{Kind: plan.Expired, Detail: "the provider's time for the asset is over"}
	}
	from := s.deps.Provider(sourceOf(it))
	if from == nil {
		return plan.Result{Kind: plan.Unsupported, Detail: "the provider of the source has no documented way to download media"}
	}
	token, err := from.Token(ctx, a.WABA, a.Number)
	if err != nil {
		return plan.Result{Kind: plan.Denied, Detail: err.Error()}
	}
	if err := s.rate.Wait(ctx); err != nil {
		return plan.Result{Kind: plan.Away, Detail: "stopped"}
	}
	found, err := from.Media(ctx, token, a.MediaID, a.Number)
	if err != nil {
		return failed(err)
	}
	r := s.content(ctx, it, file, from, token, &found)
	r.Seen = true
	return r
}

// content brings the content that the provider described into a file, and then into the bucket.
func (s *Sink) content(ctx context.Context, it *plan.Item, file *os.File, from Provider, token graph.Token, found *graph.Media) plan.Result {
	a := &it.Asset
	known := plan.Result{SHA256: a.SHA256, MIMEType: found.MIMEType, Bytes: max(0, found.Bytes)}
	with := func(r plan.Result) plan.Result {
		r.MIMEType = known.MIMEType
		if r.SHA256 == "" {
			r.SHA256 = known.SHA256
		}
		if r.Bytes == 0 {
			r.Bytes = known.Bytes
		}
		return r
	}
	if known.SHA256 == "" {
		if known.SHA256 = plan.Digest(found.SHA256); known.SHA256 != "" {
			if r, ok := s.known(ctx, known.SHA256); ok {
				r.MIMEType = found.MIMEType
				return r
			}
		}
	}
	switch {
	case found.Bytes > s.cfg.AssetBytesMax:
		return with(plan.Result{Kind: plan.TooLarge, Detail: fmt.Sprintf("%d bytes; sink.media.asset_bytes_max is %d", found.Bytes, s.cfg.AssetBytesMax)})
	case !s.allowed(found.MIMEType):
		return with(plan.Result{Kind: plan.TypeNotAllowed, Detail: "the type that the provider declares is none of sink.media.types"})
	case !s.room(max(0, found.Bytes)):
		return with(plan.Result{Kind: plan.Own, Detail: errTotal.Error()})
	}
	resumed, err := s.download(ctx, from, token, found.URL, file)
	if errors.Is(err, errTooLarge) {
		return with(plan.Result{Kind: plan.TooLarge, Detail: fmt.Sprintf("more than sink.media.asset_bytes_max (%d bytes)", s.cfg.AssetBytesMax)})
	}
	if err != nil {
		return with(failed(err))
	}
	sum, n, err := digest(file)
	if err != nil {
		return own("read the file of the download", err)
	}
	if known.SHA256 != "" && sum != known.SHA256 {
		detail := "the content has the SHA-256 " + sum
		if resumed {
			detail += ", downloaded in parts"
		}
		return with(plan.Result{Kind: plan.Differs, Detail: detail, Bytes: n})
	}
	return s.keep(ctx, file, plan.Result{SHA256: sum, Bytes: n, MIMEType: found.MIMEType})
}

var (
	errTooLarge = errors.New("the content is too large")
	errTotal    = errors.New("the contents reach sink.media.total_bytes_max")
	errShort    = errors.New("the content ended early")
	errDisk     = errors.New("write the file of the download")
)

// download brings the content into the file, behind the part that is in it.
func (s *Sink) download(ctx context.Context, from Provider, token graph.Token, address string, file *os.File) (resumed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.DownloadTimeout)
	defer cancel()
	validator := ""
	for try := 0; ; try++ {
		at, err := file.Seek(0, io.SeekEnd)
		if err != nil {
			return resumed, errors.Join(errDisk, err)
		}
		if at > s.cfg.AssetBytesMax { // left by a process with another limit
			return resumed, errTooLarge
		}
		if err := s.rate.Wait(ctx); err != nil {
			return resumed, errShort
		}
		was := at
		content, err := from.Open(ctx, token, address, at, validator)
		if err == nil {
			resumed = resumed || content.From > 0
			validator = content.Validator
			at, err = s.pour(content, file)
		}
		switch {
		case err == nil:
			return resumed, nil
		case noSuchPart(err): // the file is as long as the content, or longer: begin again
			was, at = at, 0
			if err := file.Truncate(0); err != nil {
				return resumed, errors.Join(errDisk, err)
			}
		case errors.Is(err, errTooLarge), errors.Is(err, errDisk):
			return resumed, err
		}
		if ctx.Err() != nil || try == resumesMax || at <= was && !noSuchPart(err) {
			return resumed, err
		}
	}
}

// pour writes a content, or a part of it, to its place in the file. It returns the length of the file.
func (s *Sink) pour(content *graph.Content, file *os.File) (n int64, err error) {
	defer func() { err = errors.Join(err, content.Body.Close()) }()
	if content.Bytes > s.cfg.AssetBytesMax {
		return 0, errTooLarge
	}
	if err := file.Truncate(content.From); err != nil {
		return 0, errors.Join(errDisk, err)
	}
	if _, err := file.Seek(content.From, io.SeekStart); err != nil {
		return 0, errors.Join(errDisk, err)
	}
	disk := &diskWriter{file: file}
	got, err := io.Copy(disk, io.LimitReader(content.Body, s.cfg.AssetBytesMax-content.From+1))
	n = content.From + got
	switch {
	case disk.err != nil:
		return n, errors.Join(errDisk, disk.err)
	case n > s.cfg.AssetBytesMax:
		return n, errTooLarge
	case err != nil:
		return n, fmt.Errorf("%w: %w", errShort, err)
	case content.Bytes >= 0 && n < content.Bytes:
		return n, errShort
	}
	return n, nil
}

// diskWriter tells errors of the disk from those of the connection.
type diskWriter struct {
	file *os.File
	err  error
}

// Write implements io.Writer.
func (d *diskWriter) Write(b []byte) (int, error) {
	n, err := d.file.Write(b)
	if err != nil {
		d.err = err
	}
	return n, err
}

func noSuchPart(err error) bool {
	var e *graph.Error
	return errors.As(err, &e) && e.Outcome.Status == http.StatusRequestedRangeNotSatisfiable
}

// failed is the result of a request that failed.
func failed(err error) plan.Result {
	var e *graph.Error
	switch {
	case errors.Is(err, errDisk):
		return plan.Result{Kind: plan.Own, Detail: err.Error()}
	case !errors.As(err, &e):
		return plan.Result{Kind: plan.Away, Detail: err.Error()}
	}
	r := plan.Result{Kind: plan.Away, Detail: e.Error(), RetryAfter: e.Outcome.RetryAfter}
	switch {
	case e.Outcome.Hidden():
		r.Kind = plan.Hidden
	case e.Outcome.Status == http.StatusNotFound, e.Outcome.Status == http.StatusGone:
		r.Kind = plan.Gone
	case e.Outcome.Kind == graph.Throttled:
		r.Kind = plan.Throttled
	case e.Outcome.Kind == graph.Denied:
		r.Kind = plan.Denied
	case e.Outcome.Kind == graph.Refused, e.Outcome.Kind == graph.NotSent && !e.Unreachable():
		r.Kind = plan.Refused
	}
	return r
}

// keep writes the content of a file to the bucket.
func (s *Sink) keep(ctx context.Context, file *os.File, r plan.Result) plan.Result {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return own("read the file of the download", err)
	}
	kind, err := detect(file)
	if err != nil {
		return own("read the file of the download", err)
	}
	if r.DetectedType = kind; !s.allowed(kind) {
		r.Kind, r.Detail = plan.TypeNotAllowed, "the content looks like "+kind+", which is none of sink.media.types"
		return r
	}
	if !s.room(r.Bytes) {
		r.Kind, r.Detail = plan.Own, errTotal.Error()
		return r
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return own("read the file of the download", err)
	}
	err = s.deps.Bucket.Keep(ctx, plan.ObjectName(r.SHA256), file)
	if err != nil && !errors.Is(err, archive.ErrExists) {
		return own("write to the bucket", err)
	}
	if err == nil {
		s.m.bytes.Add(float64(r.Bytes))
		s.total.Add(r.Bytes)
		s.note(stepTotal, nil)
	}
	r.Kind = plan.Stored
	return r
}

// allowed reports whether a type may be stored. An unknown one may.
func (s *Sink) allowed(mime string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(mime), ";")
	kind = strings.TrimSpace(kind)
	if kind == "" || len(s.cfg.Types) == 0 {
		return true
	}
	for _, pattern := range s.cfg.Types {
		if ok, _ := path.Match(pattern, kind); ok {
			return true
		}
	}
	return false
}

// room reports whether a content fits.
func (s *Sink) room(n int64) bool {
	return s.cfg.TotalBytesMax == 0 || s.total.Load()+n <= s.cfg.TotalBytesMax
}

func sourceOf(it *plan.Item) string {
	for _, h := range it.Headers {
		if h.Key == schemas.HeaderSource {
			return string(h.Value)
		}
	}
	return ""
}
