package archive_test

import (
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/testing/azurite"
)

// clouds sets the accounts of the emulators.
func clouds() {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true", "AZURE_STORAGE_ACCOUNT": azurite.Account, "AZURE_STORAGE_KEY": azurite.Key} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
}

// buckets are a folder, an S3 server, and with make test-archive an emulator of Azure.
func buckets(t *testing.T) map[string]archive.Bucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("archive"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	if !strings.HasPrefix(server.URL, "http://127.0.0.1:") {
		t.Fatalf("the server is at %s", server.URL)
	}
	all := map[string]archive.Bucket{"folder": folder(t)}
	addresses := map[string]string{"S3": "s3://archive?prefix=" + url.QueryEscape("a folder/") + "&region=eu-central-1&use_path_style=true&endpoint=" + url.QueryEscape(server.URL)}
	if azurite.Wanted() {
		addresses["Azure"] = azurite.Start(t, "archive")
	}
	for name, address := range addresses {
		cloud, err := archive.Open(t.Context(), address, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cloud.Close() })
		all[name] = cloud
	}
	return all
}
