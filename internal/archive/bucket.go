package archive

import (
	"context"
	"errors"
	"io"
)

// Bucket holds objects. It is safe for concurrent use.
type Bucket interface {
	// Create writes an object where none has the name, as a whole and durably. Otherwise it fails with ErrExists, and the object that is
	// there is durable. After any other error the object may be there or not.
	Create(ctx context.Context, name string, content []byte) error
	// Replace writes an object, whether one has the name or not.
	Replace(ctx context.Context, name string, content []byte) error
	// Open reads an object's first bytes, all where length is negative. It fails with ErrNotFound.
	Open(ctx context.Context, name string, length int64) (io.ReadCloser, error)
	// List calls yield for the objects whose names begin with prefix, in any order.
	List(ctx context.Context, prefix string, yield func(name string, bytes int64) error) error
	Close() error
}

var (
	// ErrExists says that an object has the name.
	ErrExists = errors.New("an object has this name")
	// ErrNotFound says that none has it.
	ErrNotFound = errors.New("no object has this name")
)
