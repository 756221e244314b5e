// Package azurite runs Microsoft's emulator of Azure Blob Storage on loopback, for tests. It comes from npm, see package packages.
package azurite

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/packages"
)

//go:embed package.json
var list []byte

//go:embed package-lock.json
var lock []byte

// The account of the emulator. Tests set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY to them.
const (
	Account = "archive"
	Key     = "YSBrZXkgb2YgdGhlIHRlc3RzIGFsb25l"
)

// gateName is the variable that lets the emulator run: it is long to install.
const gateName = "COEXSTREAM_TEST_ARCHIVE"

// Wanted reports whether tests use the emulator, as with make test-archive.
func Wanted() bool { return os.Getenv(gateName) != "" }

var listening = regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`)

// Start runs the emulator until the end of the test, with an empty container. It returns the address of the container, as gocloud.dev reads it.
func Start(t *testing.T, container string) (address string) {
	t.Helper()
	node, modules := packages.Node(t, list, lock)
	cmd := exec.CommandContext(t.Context(), node, filepath.Join(modules, "azurite", "dist", "src", "blob", "main.js"),
		"--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--silent", "--skipApiVersionCheck")
	cmd.Dir, cmd.Stderr = t.TempDir(), os.Stderr
	cmd.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+Account+":"+Key)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // gone already: fine
		_ = cmd.Wait()         // killed
	})
	host := ""
	for lines := bufio.NewScanner(out); host == "" && lines.Scan(); {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			host = m[1]
		}
	}
	if host == "" {
		t.Fatal("the emulator does not say where it listens")
	}
	if err := create(t, host, container); err != nil {
		t.Fatal(err)
	}
	return "azblob://" + container + "?protocol=http&localemu=true&domain=" + url.QueryEscape(host)
}

// create creates a container. The request is signed with the account's key.
func create(t *testing.T, host, container string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, fmt.Sprintf("http://%s/%s/%s?restype=container", host, Account, container), nil)
	if err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(Key)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Format(http.TimeFormat)
	req.Header.Set("x-ms-date", now)
	req.Header.Set("x-ms-version", "2021-08-06")
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:%s\nx-ms-version:2021-08-06\n/%s/%s/%s\nrestype:container", now, Account, Account, container) // a hash takes everything
	req.Header.Set("Authorization", "SharedKey "+Account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("create the container: %s", resp.Status)
	}
	return nil
}
