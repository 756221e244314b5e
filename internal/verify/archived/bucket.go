package archived

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/s3blob"    // s3://
)

// bucket is read only.
type bucket interface {
	list(ctx context.Context, prefix string) ([]string, error)
	open(ctx context.Context, name string) (io.ReadCloser, error)
	Close() error
}

// open opens file:///folder, s3://bucket and others of gocloud.dev, each with ?prefix=folder/.
func openBucket(ctx context.Context, address string) (bucket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the URL of the archive cannot be read")
	}
	if u.Scheme == "file" {
		if _, err := os.Stat(u.Path); err != nil {
			return nil, err
		}
		return folder(u.Path), nil
	}
	q := u.Query()
	prefix := q.Get("prefix")
	q.Del("prefix")
	if u.Scheme == "s3" && !q.Has("response_checksum_validation") {
		q.Set("response_checksum_validation", "when_required") // objects have checksums of their own
	}
	u.RawQuery = q.Encode()
	b, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("open the bucket: %w", err)
	}
	return &cloud{b, prefix}, nil
}

type folder string

func (folder) Close() error { return nil }

func (f folder) list(_ context.Context, prefix string) (names []string, err error) {
	root := filepath.Join(string(f), filepath.FromSlash(prefix))
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file, or nothing of this topic
		}
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(string(f), path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	return names, err
}

func (f folder) open(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), filepath.FromSlash(name)))
}

type cloud struct {
	*blob.Bucket
	prefix string
}

func (c *cloud) list(ctx context.Context, prefix string) (names []string, err error) {
	for it := c.List(&blob.ListOptions{Prefix: c.prefix + prefix}); ; {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list the bucket: %w", err)
		}
		names = append(names, strings.TrimPrefix(o.Key, c.prefix))
	}
}

func (c *cloud) open(ctx context.Context, name string) (io.ReadCloser, error) {
	return c.NewReader(ctx, c.prefix+name, nil)
}
