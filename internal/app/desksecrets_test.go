package app

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// spellings returns a secret as it may be written: as it is, without its first bytes, in base64, in hexadecimal digits, and in a URL.
func spellings(secret string) []string {
	part := secret[4:]
	all := []string{part, url.QueryEscape(part), hex.EncodeToString([]byte(part)), strings.ToUpper(hex.EncodeToString([]byte(part)))}
	for skip := range 3 { // the places in a group of three bytes
		text := base64.StdEncoding.EncodeToString([]byte(secret[skip:]))
		all = append(all, text[:len(text)/4*4-4])
	}
	return all
}

// givenAway names the texts that hold one of the secrets, by their sources.
func givenAway(seen map[string]*strings.Builder, secrets ...string) (found []string) {
	for source, text := range seen {
		for i, secret := range secrets {
			for j, spelling := range spellings(secret) {
				if strings.Contains(text.String(), spelling) {
					found = append(found, fmt.Sprintf("secret %d in %s (spelling %d)", i, source, j))
				}
			}
		}
	}
	return found
}

// topics returns keys, values and headers of all committed records, those of internal topics too.
func (p *process) topics() string {
	p.t.Helper()
	names := []string{"coex.desk"}
	for _, topic := range schemas.Topics() {
		names = append(names, topic.Name("coex."))
	}
	var text strings.Builder
	for _, name := range names {
		for _, r := range committed(p.t, p.running().Defaults["kafka.brokers"], name) {
			fmt.Fprintf(&text, "%s %s %s", name, r.Key, r.Value)
			for _, h := range r.Headers {
				fmt.Fprintf(&text, " %s=%s", h.Key, h.Value)
			}
			text.WriteByte('\n')
		}
	}
	return text.String()
}

// filesIn returns the contents of all files below a folder.
func filesIn(t *testing.T, folder string) string {
	t.Helper()
	var text strings.Builder
	kept := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		kept++
		b, err := os.ReadFile(path)
		text.Write(b)
		return err
	})
	if err != nil || kept < 10 {
		t.Fatalf("%d files: %v", kept, err)
	}
	return text.String()
}

func TestASearchFindsASecretInEachSpelling(t *testing.T) {
	const secret = "EAAcanary-token+of/a-waba"
	seen := map[string]*strings.Builder{}
	for i, text := range []string{
		secret, "a" + base64.StdEncoding.EncodeToString([]byte("x"+secret+"y")), base64.StdEncoding.EncodeToString([]byte("xx" + secret)),
		base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)), fmt.Sprintf("%X", secret), url.QueryEscape(secret), secret[4:],
	} {
		b := &strings.Builder{}
		b.WriteString(text)
		seen[fmt.Sprint(i)] = b
		if found := givenAway(map[string]*strings.Builder{"text": b}, secret); len(found) == 0 {
			t.Errorf("not found in %s", text)
		}
	}
	if found := givenAway(seen, "another-secret-of-nobody"); len(found) != 0 {
		t.Error(found)
	}
}
