package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// backend is a bucket in memory whose objects are files, too.
type backend struct {
	*s3mem.Backend
	dir    string
	bucket string
	mu     sync.Mutex // of all writes
}

// The file of an object has its metadata in the first line.
const extension = ".object"

func open(dir, bucket string) (*backend, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	b := &backend{Backend: s3mem.New(), dir: dir, bucket: bucket}
	if err := b.CreateBucket(bucket); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		escaped, ok := strings.CutSuffix(e.Name(), extension)
		if !ok {
			continue // a kill left it half written
		}
		name, err := url.PathUnescape(escaped)
		if err != nil {
			return nil, err
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		head, body, ok := bytes.Cut(content, []byte{'\n'})
		meta := map[string]string{}
		if err := json.Unmarshal(head, &meta); err != nil || !ok {
			return nil, fmt.Errorf("%s is no object: %w", e.Name(), err)
		}
		if _, err := b.Backend.PutObject(bucket, name, meta, bytes.NewReader(body), int64(len(body)), nil); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// PutObject implements gofakes3.Backend. The condition is checked before anything is written.
func (b *backend) PutObject(bucket, name string, meta map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	body, err := gofakes3.ReadAll(input, size)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if conditions != nil {
		info := &gofakes3.ConditionalObjectInfo{}
		if o, err := b.HeadObject(bucket, name); err == nil {
			info.Exists, info.Hash = true, o.Hash
			_ = o.Contents.Close() // it has none
		}
		if err := gofakes3.CheckPutConditions(conditions, info); err != nil {
			return gofakes3.PutObjectResult{}, err
		}
	}
	if err := b.keep(name, meta, body); err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	return b.Backend.PutObject(bucket, name, meta, bytes.NewReader(body), size, nil)
}

// keep writes the file of an object durably.
func (b *backend) keep(name string, meta map[string]string, body []byte) error {
	head, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	path := filepath.Join(b.dir, url.PathEscape(name)+extension)
	f, err := os.Create(path + ".next")
	if err != nil {
		return err
	}
	_, err = f.Write(append(append(head, '\n'), body...))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".next", path); err != nil {
		return err
	}
	d, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
