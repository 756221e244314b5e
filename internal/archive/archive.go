package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// Archive is the topics of a prefix in a bucket.
type Archive struct {
	Bucket Bucket
	Prefix string // of the topics
}

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
func (a *Archive) Header(ctx context.Context, o Object) (*Header, error) {
	name := o.Name(a.Prefix)
	head, err := a.text(ctx, name, HeaderBytes)
	if err != nil {
		return nil, err
	}
	h, err := ParseHeader(head)
	if err == nil {
		err = h.Of(o, a.Prefix)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return h, nil
}

// text reads the first bytes of an object.
func (a *Archive) text(ctx context.Context, name string, length int64) ([]byte, error) {
	r, err := a.Bucket.Open(ctx, name, length)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { _ = r.Close() }() // it was only read
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b, nil
}

// Read calls yield for the records of an object. It returns the header where it could be read.
func (a *Archive) Read(ctx context.Context, o Object, yield func(*kgo.Record) error) (*Header, error) {
	name := o.Name(a.Prefix)
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
	if err := r.Header.Of(o, a.Prefix); err != nil {
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
// list of a long chain: it is the name of an object that was the last one, and the chain is followed from there.
func (a *Archive) Tail(ctx context.Context, c Chain) (h *Header, size int64, err error) {
	o, ok, err := a.named(ctx, c, hintName)
	if err != nil {
		return nil, 0, err
	}
	for ; ok; o = h.Following(c) {
		found, err := a.Header(ctx, o)
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
	h, err = a.Header(ctx, last)
	return h, last.Bytes, err
}

// Hint keeps which object is the chain's last one.
func (a *Archive) Hint(ctx context.Context, o Object) error {
	return a.Bucket.Replace(ctx, o.Chain.Folder(a.Prefix)+hintName, []byte(o.file()))
}

// Begin writes down which object a chain begins with, and returns the one that was written down first. Otherwise two writers could begin
// at different offsets, if retention moves the start of the log between their questions.
func (a *Archive) Begin(ctx context.Context, first Object) (Object, error) {
	name := first.Chain.Folder(a.Prefix) + startName
	err := a.Bucket.Create(ctx, name, []byte(first.file()))
	if err == nil {
		return first, nil
	}
	if !errors.Is(err, ErrExists) {
		return first, fmt.Errorf("write %s: %w", name, err)
	}
	o, ok, err := a.named(ctx, first.Chain, startName)
	if err == nil && !ok {
		err = fmt.Errorf("read %s: %w: it names no object", name, ErrCorrupt)
	}
	return o, err
}

// named is the object that a file of the chain's folder names. It is false where there is no such file, or no such name.
func (a *Archive) named(ctx context.Context, c Chain, file string) (Object, bool, error) {
	text, err := a.text(ctx, c.Folder(a.Prefix)+file, HeaderBytes)
	if errors.Is(err, ErrNotFound) {
		return Object{}, false, nil
	}
	if err != nil {
		return Object{}, false, err
	}
	o, ok := ParseName(a.Prefix, c.Folder(a.Prefix)+strings.TrimSpace(string(text)))
	return o, ok && o.Chain == c, nil
}

// Objects lists the objects of a chain, in the order of their offsets.
func (a *Archive) Objects(ctx context.Context, c Chain) ([]Object, error) {
	var all []Object
	err := a.Bucket.List(ctx, c.Folder(a.Prefix), func(name string, bytes int64) error {
		if o, ok := ParseName(a.Prefix, name); ok && o.Chain == c {
			o.Bytes = bytes
			all = append(all, o)
		}
		return nil
	})
	slices.SortFunc(all, compareObjects)
	return all, err
}

// All lists the objects of some topics: chain by chain, each in the order of the offsets.
func (a *Archive) All(ctx context.Context, topics []schemas.Topic) ([][]Object, error) {
	chains := map[Chain][]Object{}
	for _, topic := range topics {
		err := a.Bucket.List(ctx, topic.Name(a.Prefix)+"/", func(name string, bytes int64) error {
			if o, ok := ParseName(a.Prefix, name); ok {
				o.Bytes = bytes
				chains[o.Chain] = append(chains[o.Chain], o)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	all := make([][]Object, 0, len(chains))
	for _, objects := range chains {
		slices.SortFunc(objects, compareObjects)
		all = append(all, objects)
	}
	slices.SortFunc(all, func(x, y []Object) int { return compareChains(x[0].Chain, y[0].Chain) })
	return all, nil
}

func compareObjects(a, b Object) int {
	return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Encoding, b.Encoding))
}

func compareChains(a, b Chain) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), strings.Compare(a.Log.String(), b.Log.String()), strings.Compare(a.Snapshot, b.Snapshot))
}
