package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Contents is a bucket for contents whose names are functions of their bytes, such as their hash. They may be long.
type Contents interface {
	Bucket
	// Keep writes a content where none has the name, as a whole and durably. Otherwise it fails with ErrExists.
	Keep(ctx context.Context, name string, content io.ReadSeeker) error
	// Bytes returns the length of an object. It fails with ErrNotFound.
	Bytes(ctx context.Context, name string) (int64, error)
}

// OpenContents opens a bucket as Open does.
func OpenContents(ctx context.Context, address string, timeout time.Duration) (Contents, error) {
	b, err := Open(ctx, address, timeout)
	if err != nil {
		return nil, err
	}
	c, ok := b.(Contents)
	if !ok {
		return nil, errors.Join(errors.New("the bucket holds no contents"), b.Close())
	}
	return c, nil
}

// Keep implements Contents.
func (f *Folder) Keep(_ context.Context, name string, content io.ReadSeeker) error {
	return f.write(name, content, linked)
}

// Bytes implements Contents.
func (f *Folder) Bytes(_ context.Context, name string) (int64, error) {
	info, err := os.Stat(filepath.Join(f.root, filepath.FromSlash(name)))
	if ignoreMissing(err) == nil && err != nil {
		return 0, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// contentPartBytes is the memory of an upload. Longer contents are uploaded in parts.
const contentPartBytes = 8 << 20

// Keep implements Contents. The object says that a browser must not show it.
func (c *Cloud) Keep(ctx context.Context, name string, content io.ReadSeeker) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := c.bucket.Upload(ctx, c.prefix+name, content, &blob.WriterOptions{
		BufferSize: contentPartBytes, MaxConcurrency: 1, IfNotExist: true, ContentType: "application/octet-stream",
		ContentDisposition: "attachment", DisableContentTypeDetection: true,
	})
	if code := gcerrors.Code(err); code == gcerrors.FailedPrecondition || code == gcerrors.AlreadyExists {
		return ErrExists
	}
	return err
}

// Bytes implements Contents.
func (c *Cloud) Bytes(ctx context.Context, name string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	a, err := c.bucket.Attributes(ctx, c.prefix+name)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return 0, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	if err != nil {
		return 0, err
	}
	return a.Size, nil
}

// ErrNoLinks says that a bucket makes no links.
var ErrNoLinks = errors.New("the bucket cannot sign links")

// Link returns a URL of the cloud from which everybody can read an object until the time is over. It fails with ErrNoLinks.
func Link(ctx context.Context, b Contents, name string, life time.Duration) (string, error) {
	c, ok := b.(*Cloud)
	if !ok {
		return "", ErrNoLinks
	}
	address, err := c.bucket.SignedURL(ctx, c.prefix+name, &blob.SignedURLOptions{Expiry: life})
	if gcerrors.Code(err) == gcerrors.Unimplemented {
		return "", fmt.Errorf("%w: %w", ErrNoLinks, err)
	}
	return address, err
}
