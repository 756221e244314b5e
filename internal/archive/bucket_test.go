package archive_test

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/testing/azurite"
	"github.com/coexstream/coexstream/schemas"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true", "AZURE_STORAGE_ACCOUNT": azurite.Account, "AZURE_STORAGE_KEY": azurite.Key} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// open opens a folder, a bucket of an S3 server, and with make test-archive a container of an emulator of Azure, by their URLs.
func open(t *testing.T) map[string]archive.Bucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("b"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	all := map[string]archive.Bucket{}
	addresses := map[string]string{
		"folder": (&url.URL{Scheme: "file", Path: filepath.Join(t.TempDir())}).String(),
		"S3":     "s3://b?prefix=" + url.QueryEscape("p q/") + "&region=eu-central-1&use_path_style=true&endpoint=" + url.QueryEscape(server.URL),
	}
	if azurite.Wanted() {
		addresses["Azure"] = azurite.Start(t, "archive") + "&prefix=" + url.QueryEscape("p q/")
	}
	for name, address := range addresses {
		b, err := archive.Open(t.Context(), address, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		all[name] = b
	}
	return all
}

func listed(t *testing.T, b archive.Bucket, prefix string) (names []string) {
	t.Helper()
	if err := b.List(t.Context(), prefix, func(name string, bytes int64) error {
		names = append(names, name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func content(t *testing.T, b archive.Bucket, name string, length int64) string {
	t.Helper()
	r, err := b.Open(t.Context(), name, length)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	for name, b := range open(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if names := listed(t, b, "x/"); len(names) > 0 {
				t.Errorf("an empty bucket has %v", names)
			}
			if _, err := b.Open(t.Context(), "x/1", -1); !errors.Is(err, archive.ErrNotFound) {
				t.Errorf("no object: %v", err)
			}
			if err := b.Create(t.Context(), "x/1", []byte("first")); err != nil {
				t.Fatal(err)
			}
			if err := b.Create(t.Context(), "x/1", []byte("second")); !errors.Is(err, archive.ErrExists) {
				t.Errorf("a name that is taken: %v", err)
			}
			if got := content(t, b, "x/1", -1); got != "first" {
				t.Errorf("%q", got)
			}
			if got := content(t, b, "x/1", 2); got != "fi" {
				t.Errorf("%q", got)
			}
			for range 2 {
				if err := b.Replace(t.Context(), "x/y/2", []byte("2")); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Create(t.Context(), "xx", nil); err != nil {
				t.Fatal(err)
			}
			for prefix, want := range map[string][]string{"x/": {"x/1", "x/y/2"}, "x": {"x/1", "x/y/2", "xx"}, "x/y/": {"x/y/2"}, "": {"x/1", "x/y/2", "xx"}, "z": nil} {
				if got := listed(t, b, prefix); !slices.Equal(got, want) {
					t.Errorf("prefix %q: %v", prefix, got)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if name != "folder" {
				if err := b.Create(ctx, "late", []byte("x")); err == nil || errors.Is(err, archive.ErrExists) {
					t.Errorf("after the end of its context: %v", err)
				}
			}
		})
	}
}

// The first writer of a chain decides where it begins.
func TestAChainBeginsWhereItsFirstWriterSays(t *testing.T) {
	t.Parallel()
	for name, b := range open(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &archive.Archive{Bucket: b, Prefix: "coex."}
			first := archive.Object{Chain: chain, First: 7, Encoding: archive.Parquet}
			for _, o := range []archive.Object{first, object(9), object(3)} {
				if got, err := a.Begin(t.Context(), o); err != nil || got != first {
					t.Errorf("%+v, %v", got, err)
				}
			}
			for _, text := range []string{"nonsense", "00000000000000000007.jsonl"} {
				if err := b.Replace(t.Context(), chain.Folder("coex.")+"start", []byte(text)); err != nil {
					t.Fatal(err)
				}
				if _, err := a.Begin(t.Context(), first); !errors.Is(err, archive.ErrCorrupt) {
					t.Errorf("%q: %v", text, err)
				}
			}
		})
	}
}

// Of many writers of one name, one wins.
func TestOneOfManyWritersCreatesAnObject(t *testing.T) {
	t.Parallel()
	for name, b := range open(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, object := range []string{"a/1", "a/2", "a/3"} {
				var wins atomic.Int32
				var wg sync.WaitGroup
				for i := range 8 {
					wg.Go(func() {
						switch err := b.Create(t.Context(), object, []byte(strings.Repeat(string(rune('a'+i)), 1000))); {
						case err == nil:
							wins.Add(1)
						case !errors.Is(err, archive.ErrExists):
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if got := content(t, b, object, -1); wins.Load() != 1 || strings.Count(got, got[:1]) != 1000 {
					t.Errorf("%s: %d writers won, %.10q", object, wins.Load(), got)
				}
			}
		})
	}
}

// A file of a killed process is no object, and is removed.
func TestTemporaryFilesOfKilledProcessesAreRemoved(t *testing.T) {
	root := t.TempDir()
	old := filepath.Join(root, "x", ".writing-old")
	if err := os.Mkdir(filepath.Join(root, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{old, filepath.Join(root, "x", ".writing-new")} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	b, err := archive.NewFolder(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Create(t.Context(), "x/1", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if names := listed(t, b, ""); !slices.Equal(names, []string{"x/1"}) {
		t.Errorf("%v", names)
	}
	files, err := filepath.Glob(filepath.Join(root, "x", ".writing-*"))
	if err != nil || len(files) != 1 || !strings.HasSuffix(files[0], "new") {
		t.Errorf("%v, %v", files, err)
	}
}

func TestTheURLOfAFolderMayEndWithASlash(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, address := range []string{"file://" + root + "/", "file://" + root + "//x/..//"} {
		if err := os.MkdirAll(filepath.Join(root, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		b, err := archive.Open(t.Context(), address, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Replace(t.Context(), "a/b/1", []byte("1")); err != nil {
			t.Error(err)
		}
		if names := listed(t, b, "a/"); !slices.Equal(names, []string{"a/b/1"}) {
			t.Errorf("%s: %v", address, names)
		}
	}
}

func TestOpenSaysWhatIsWrongWithAURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"file://host/x": "three slashes", "file://": "three slashes", "ftp://x": "no driver registered", "s3://b?nonsense=1": "nonsense", "file:///does/not/exist": "no such file", "file:///tmp?prefix=x/": "no parameters", "\x00": "no URL",
	} {
		if _, err := archive.Open(t.Context(), address, time.Second); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

var chain = archive.Chain{Topic: schemas.TopicRawLive, Partition: 3, Log: archive.LogID{1}}

func object(first int64) archive.Object {
	return archive.Object{Chain: chain, First: first, Encoding: archive.JSONL}
}

// file is the name of an object in its folder.
func file(first int64) string { return path.Base(object(first).Name("")) }

// put writes an object with a record at each offset but the last.
func put(t *testing.T, a *archive.Archive, first, next, lost int64) {
	t.Helper()
	b := builder(t)
	h := header(first)
	h.Lost = lost
	begin(t, b, h, archive.JSONL)
	for o := first + lost; o < next-1; o++ {
		if err := b.Add(&kgo.Record{Offset: o, Timestamp: time.UnixMilli(o)}); err != nil {
			t.Fatal(err)
		}
	}
	_, content, err := b.Finish(next, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Bucket.Create(t.Context(), object(first).Name(a.Prefix), content); err != nil {
		t.Fatal(err)
	}
}

func TestTheTailIsFoundWithAHintAndWithout(t *testing.T) {
	t.Parallel()
	for name, b := range open(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &archive.Archive{Bucket: b, Prefix: "coex."}
			if h, _, err := a.Tail(t.Context(), chain); h != nil || err != nil {
				t.Errorf("an empty chain: %+v, %v", h, err)
			}
			for i := range int64(5) {
				put(t, a, 100+10*i, 110+10*i, 0)
			}
			for _, hint := range []string{"", file(100), file(130), file(140), file(150), file(99), "-1", "nonsense", strings.Replace(file(100), "jsonl.zst", "parquet", 1)} {
				if hint != "" {
					if err := b.Replace(t.Context(), chain.Folder("coex.")+"tail", []byte(hint)); err != nil {
						t.Fatal(err)
					}
				}
				if h, _, err := a.Tail(t.Context(), chain); err != nil || h == nil || h.First != 140 || h.Next != 150 {
					t.Errorf("hint %q: %+v, %v", hint, h, err)
				}
			}
			if err := a.Hint(t.Context(), object(120)); err != nil {
				t.Fatal(err)
			}
			if h, _, err := a.Tail(t.Context(), chain); err != nil || h.Next != 150 {
				t.Errorf("%+v, %v", h, err)
			}
			if all, err := a.All(t.Context(), []schemas.Topic{schemas.TopicRawLive, schemas.TopicRawBulk}); err != nil || len(all) != 1 || len(all[0]) != 5 {
				t.Errorf("%v, %v", all, err)
			}
		})
	}
}

func TestCheckFindsEachFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		write func(t *testing.T, a *archive.Archive)
		quick bool
		want  []string
	}{
		{"a whole chain", func(t *testing.T, a *archive.Archive) { put(t, a, 20, 30, 0) }, true, nil},
		{"a missing object", func(t *testing.T, a *archive.Archive) { put(t, a, 21, 30, 0) }, true, []string{"missing: no object has the offsets 20 to 20"}},
		{"an overlap", func(t *testing.T, a *archive.Archive) { put(t, a, 19, 30, 0) }, true, []string{"overlap: the object before it ends with 19"}},
		{"lost records", func(t *testing.T, a *archive.Archive) { put(t, a, 20, 30, 4) }, true, []string{"lost: retention removed 4 offsets from 20 on"}},
		{"a damaged header", func(t *testing.T, a *archive.Archive) { flip(t, a, 20, 50) }, true, []string{"damaged: "}},
		{"damaged content", func(t *testing.T, a *archive.Archive) { flip(t, a, 20, archive.HeaderBytes+20) }, false, []string{"damaged: "}},
		{"an object of another log", func(t *testing.T, a *archive.Archive) {
			b, h := builder(t), header(20)
			h.Log = archive.LogID{9}.String()
			begin(t, b, h, archive.JSONL)
			_, content, err := b.Finish(30, false)
			if err == nil {
				err = a.Bucket.Create(t.Context(), object(20).Name(a.Prefix), content)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, true, []string{"damaged: it is of the log 09"}},
		{"two objects in two encodings", func(t *testing.T, a *archive.Archive) {
			put(t, a, 20, 30, 0)
			b := builder(t)
			begin(t, b, header(20), archive.Parquet)
			_, content, err := b.Finish(30, false)
			if err == nil {
				err = a.Bucket.Create(t.Context(), archive.Object{Chain: chain, First: 20, Encoding: archive.Parquet}.Name(a.Prefix), content)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, true, []string{"overlap: the object before it ends with 29"}},
		{"an object of another chain", func(t *testing.T, a *archive.Archive) {
			if err := a.Bucket.Create(t.Context(), object(20).Name(a.Prefix), []byte(content(t, a.Bucket, object(10).Name(a.Prefix), -1))); err != nil {
				t.Fatal(err)
			}
		}, true, []string{"damaged: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder, err := archive.NewFolder(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			a := &archive.Archive{Bucket: folder, Prefix: "coex."}
			put(t, a, 10, 20, 0)
			c.write(t, a)
			for _, deep := range []bool{false, true} {
				objects, err := a.Objects(t.Context(), chain)
				if err != nil {
					t.Fatal(err)
				}
				got, err := a.Check(t.Context(), objects, deep)
				if err != nil {
					t.Fatal(err)
				}
				want := c.want
				if !deep && !c.quick {
					want = nil
				}
				if len(got.Faults) != len(want) {
					t.Fatalf("content %t: %+v, want %v", deep, got.Faults, want)
				}
				for i, f := range got.Faults {
					if text := f.Kind + ": " + f.Detail; !strings.HasPrefix(text, want[i]) {
						t.Errorf("content %t: %s, want %s", deep, text, want[i])
					}
				}
			}
		})
	}
}

// flip writes an object with a changed byte.
func flip(t *testing.T, a *archive.Archive, first int64, at int) {
	t.Helper()
	put(t, a, first, first+10, 0)
	name := object(first).Name(a.Prefix)
	bad := []byte(content(t, a.Bucket, name, -1))
	bad[at] ^= 1
	if err := a.Bucket.Replace(t.Context(), name, bad); err != nil {
		t.Fatal(err)
	}
}
