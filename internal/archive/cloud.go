package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	"gocloud.dev/blob/s3blob"      // s3://
	"gocloud.dev/gcerrors"
)

// Cloud is a bucket of a cloud, or of a server that speaks as one does.
type Cloud struct {
	bucket  *blob.Bucket
	prefix  string // of all names
	timeout time.Duration
}

const responseChecksums = "response_checksum_validation"

// Open opens file:///folder, s3://bucket, or azblob://container, the last two with ?prefix=folder/. Other parameters are those of gocloud.dev.
// timeout bounds a request.
func Open(ctx context.Context, address string, timeout time.Duration) (Bucket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("it is no URL")
	}
	if u.Scheme == "file" {
		if u.Host != "" || u.Path == "" {
			return nil, errors.New("the URL of a folder has three slashes: file:///var/lib/archive")
		}
		if u.RawQuery != "" {
			return nil, errors.New("the URL of a folder has no parameters: write the whole path, as file:///var/lib/archive/coexstream")
		}
		return NewFolder(u.Path)
	}
	q := u.Query()
	prefix := q.Get("prefix")
	q.Del("prefix")
	if u.Scheme == s3blob.Scheme && !q.Has(responseChecksums) {
		// Objects have their own checksum. Some servers send that of the object with a part of it, which then seems to be wrong.
		q.Set(responseChecksums, "when_required")
	}
	u.RawQuery = q.Encode()
	b, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("open the bucket: %w", err)
	}
	return &Cloud{b, prefix, timeout}, nil
}

// Close ends the connections.
func (c *Cloud) Close() error { return c.bucket.Close() }

// Create implements Bucket.
func (c *Cloud) Create(ctx context.Context, name string, content []byte) error {
	err := c.upload(ctx, name, content, true)
	if code := gcerrors.Code(err); code == gcerrors.FailedPrecondition || code == gcerrors.AlreadyExists {
		return ErrExists
	}
	return err
}

// Replace implements Bucket.
func (c *Cloud) Replace(ctx context.Context, name string, content []byte) error {
	return c.upload(ctx, name, content, false)
}

func (c *Cloud) upload(ctx context.Context, name string, content []byte, absent bool) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.bucket.Upload(ctx, c.prefix+name, bytes.NewReader(content), &blob.WriterOptions{
		// One request, so that the condition and the content are one.
		BufferSize: max(len(content), 5<<20), MaxConcurrency: 1, IfNotExist: absent, ContentType: contentType(name), DisableContentTypeDetection: true,
	})
}

func contentType(name string) string {
	if strings.HasSuffix(name, JSONL.extension()) {
		return "application/zstd"
	}
	if strings.HasSuffix(name, Parquet.extension()) {
		return "application/vnd.apache.parquet"
	}
	return "application/octet-stream"
}

// Open implements Bucket. The timeout bounds the time until the content comes, and each wait for more of it.
func (c *Cloud) Open(ctx context.Context, name string, length int64) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(c.timeout, cancel)
	r, err := c.bucket.NewRangeReader(ctx, c.prefix+name, 0, length, nil)
	if err != nil {
		late.Stop()
		cancel()
		if gcerrors.Code(err) == gcerrors.NotFound {
			return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
		}
		return nil, err
	}
	return &patient{r, late, c.timeout, cancel}, nil
}

// patient is a reader that gives up after a time without content.
type patient struct {
	r       io.ReadCloser
	late    *time.Timer
	timeout time.Duration
	cancel  context.CancelFunc
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	p.late.Reset(p.timeout)
	n, err := p.r.Read(b)
	p.late.Stop() // the reader may take its time
	return n, err
}

// Close implements io.Closer.
func (p *patient) Close() error {
	p.late.Stop()
	err := p.r.Close()
	p.cancel()
	return err
}

// List implements Bucket.
func (c *Cloud) List(ctx context.Context, prefix string, yield func(string, int64) error) error {
	it := c.bucket.List(&blob.ListOptions{Prefix: c.prefix + prefix})
	for {
		o, err := c.next(ctx, it)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list the bucket: %w", err)
		}
		if o.IsDir {
			continue
		}
		if err := yield(strings.TrimPrefix(o.Key, c.prefix), o.Size); err != nil {
			return err
		}
	}
}

// next bounds the time of a page.
func (c *Cloud) next(ctx context.Context, it *blob.ListIterator) (*blob.ListObject, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return it.Next(ctx)
}
