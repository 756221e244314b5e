package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/johannesboyne/gofakes3"
)

func put(b *backend, name, body string, conditions *gofakes3.PutConditions) error {
	_, err := b.PutObject("archive", name, map[string]string{"Content-Type": "text/plain"}, bytes.NewReader([]byte(body)), int64(len(body)), conditions)
	return err
}

func body(t *testing.T, b *backend, name string) string {
	t.Helper()
	o, err := b.GetObject("archive", name, nil)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(o.Contents)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestAnAcknowledgedObjectOutlivesTheServer(t *testing.T) {
	dir, star := t.TempDir(), "*"
	b, err := open(dir, "archive")
	if err != nil {
		t.Fatal(err)
	}
	const name = "a folder/coex.raw.live/0003/x.zst"
	absent := &gofakes3.PutConditions{IfNoneMatch: &star}
	if err := put(b, name, "one\ntwo", absent); err != nil {
		t.Fatal(err)
	}
	if b, err = open(dir, "archive"); err != nil {
		t.Fatal(err)
	}
	if got := body(t, b, name); got != "one\ntwo" {
		t.Errorf("it has %q", got)
	}
	if err := put(b, name, "three", absent); err == nil {
		t.Error("an object was overwritten in spite of If-None-Match")
	}
	if err := put(b, name, "four", nil); err != nil {
		t.Fatal(err)
	}
	if b, err = open(dir, "archive"); err != nil {
		t.Fatal(err)
	}
	if got := body(t, b, name); got != "four" {
		t.Errorf("it has %q", got)
	}
}
