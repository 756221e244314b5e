package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// Archive is the topics of a prefix in a bucket.
type Archive struct {
	Bucket Bucket
	Prefix string // of the topics
}

// Object is an object of a chain.
type Object struct {
	Chain Chain
	First int64
	Bytes int64
}

// Name is the object's name.
func (a *Archive) Name(o Object) string { return o.Chain.Object(a.Prefix, o.First) }

// markName is the object that every archive has.
const markName = "coexstream-archive"

// Prepare holds that the bucket can be written, and that it refuses a name that is taken: the chains depend on it.
func (a *Archive) Prepare(ctx context.Context) error {
	mark := fmt.Appendf(nil, "coexstream archive, format %d\n", Format)
	for i := range 2 {
		err := a.Bucket.Create(ctx, markName, mark)
		if err != nil && !errors.Is(err, ErrExists) {
			return fmt.Errorf("write %s: %w", markName, err)
		}
		if err == nil && i == 1 {
			return ErrUnconditional
		}
	}
	return nil
}

// ErrUnconditional says that a bucket cannot hold chains.
var ErrUnconditional = errors.New("the bucket lets an object be overwritten that was to be written only where none is (If-None-Match): two writers could lose records in it")

// Header reads the header of an object.
func (a *Archive) Header(ctx context.Context, c Chain, first int64) (*Header, error) {
	name := c.Object(a.Prefix, first)
	r, err := a.Bucket.Open(ctx, name, HeaderBytes)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { _ = r.Close() }() // it was only read
	head, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	h, err := ParseHeader(head)
	if err == nil {
		err = h.Of(c, a.Prefix, first)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return h, nil
}

// Read calls yield for the records of an object. It returns the header where it could be read.
func (a *Archive) Read(ctx context.Context, c Chain, first int64, yield func(*kgo.Record) error) (*Header, error) {
	name := c.Object(a.Prefix, first)
	content, err := a.Bucket.Open(ctx, name, -1)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { _ = content.Close() }() // it was only read
	r, err := NewReader(content)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer r.Close()
	if err := r.Header.Of(c, a.Prefix, first); err != nil {
		return r.Header, fmt.Errorf("read %s: %w", name, err)
	}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header, nil
		}
		if err != nil {
			return r.Header, fmt.Errorf("read %s: %w", name, err)
		}
		if err := yield(rec); err != nil {
			return r.Header, err
		}
	}
}

// Tail is the header of a chain's last object, and the object's size, 0 where it is not known; nil where there is none. The hint saves the
// list of a long chain: it is the first offset of an object that was the last one, and the chain is followed from there.
func (a *Archive) Tail(ctx context.Context, c Chain) (h *Header, size int64, err error) {
	at, err := a.hint(ctx, c)
	if err != nil {
		return nil, 0, err
	}
	for next := at; at >= 0; next = h.Next {
		found, err := a.Header(ctx, c, next)
		if errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		if h = found; h.Next == h.First {
			break
		}
	}
	if h != nil {
		return h, 0, nil
	}
	objects, err := a.Objects(ctx, c)
	if len(objects) == 0 || err != nil {
		return nil, 0, err
	}
	last := objects[len(objects)-1]
	h, err = a.Header(ctx, c, last.First)
	return h, last.Bytes, err
}

// Hint keeps where the chain's last object begins.
func (a *Archive) Hint(ctx context.Context, c Chain, first int64) error {
	return a.Bucket.Replace(ctx, c.hint(a.Prefix), strconv.AppendInt(nil, first, 10))
}

// hint is -1 where there is none.
func (a *Archive) hint(ctx context.Context, c Chain) (int64, error) {
	r, err := a.Bucket.Open(ctx, c.hint(a.Prefix), offsetWidth)
	if errors.Is(err, ErrNotFound) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", c.hint(a.Prefix), err)
	}
	defer func() { _ = r.Close() }() // it was only read
	text, err := io.ReadAll(r)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", c.hint(a.Prefix), err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 {
		return -1, nil //nolint:nilerr // the list says the same, at a price
	}
	return n, nil
}

// Objects lists the objects of a chain, in the order of their offsets.
func (a *Archive) Objects(ctx context.Context, c Chain) ([]Object, error) {
	var all []Object
	err := a.Bucket.List(ctx, c.Folder(a.Prefix), func(name string, bytes int64) error {
		if of, first, ok := ParseName(a.Prefix, name); ok && of == c {
			all = append(all, Object{c, first, bytes})
		}
		return nil
	})
	slices.SortFunc(all, func(x, y Object) int { return cmp.Compare(x.First, y.First) })
	return all, err
}

// All lists the objects of some topics: chain by chain, each in the order of the offsets.
func (a *Archive) All(ctx context.Context, topics []schemas.Topic) ([][]Object, error) {
	chains := map[Chain][]Object{}
	for _, topic := range topics {
		err := a.Bucket.List(ctx, topic.Name(a.Prefix)+"/", func(name string, bytes int64) error {
			if c, first, ok := ParseName(a.Prefix, name); ok {
				chains[c] = append(chains[c], Object{c, first, bytes})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	all := make([][]Object, 0, len(chains))
	for _, objects := range chains {
		slices.SortFunc(objects, func(x, y Object) int { return cmp.Compare(x.First, y.First) })
		all = append(all, objects)
	}
	slices.SortFunc(all, func(x, y []Object) int { return compareChains(x[0].Chain, y[0].Chain) })
	return all, nil
}

func compareChains(a, b Chain) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), strings.Compare(a.Log.String(), b.Log.String()), strings.Compare(a.Snapshot, b.Snapshot))
}
