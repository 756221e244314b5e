package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The broken build shows that a run of this program finds what it is for: its processors commit offsets
// outside the transaction. The product's source is not touched; the compiler gets another version of it.

//go:embed broken/commit_outside.go.txt
var commitOutside string

// brokenFile is the product's file that the mistake is made in, edits what is replaced there.
const brokenFile = "processors/transaction.go"

var brokenEdits = [][2]string{
	{"\tsend := newSender(", "\tif err := s.commitOutside(ctx, all); err != nil {\n\t\treturn err\n\t}\n\tsend := newSender("},
	{"\t\ts.fence(req, parts)\n", "\t\treq.Topics = nil\n"},
}

// buildBroken builds the program with the mistake, and returns the binary's path. It has to run within the
// module.
func buildBroken(ctx context.Context, dir string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module's folder: %w", err)
	}
	module := strings.TrimSpace(string(out))
	original, err := os.ReadFile(filepath.Join(module, brokenFile))
	if err != nil {
		return "", err
	}
	source := string(original)
	for _, e := range brokenEdits {
		if strings.Count(source, e[0]) != 1 {
			return "", fmt.Errorf("%s has %q %d times, not once: make the mistake anew", brokenFile, e[0], strings.Count(source, e[0]))
		}
		source = strings.Replace(source, e[0], e[1], 1)
	}
	overlay := map[string]map[string]string{"Replace": {
		filepath.Join(module, brokenFile):                     filepath.Join(dir, "transaction.go"),
		filepath.Join(module, "processors/commit_outside.go"): filepath.Join(dir, "commit_outside.go"),
	}}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	for name, content := range map[string]string{"transaction.go": source, "commit_outside.go": commitOutside, "overlay.json": string(list)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	binary := filepath.Join(dir, "coexstream-broken")
	build := exec.CommandContext(ctx, "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build with the mistake: %w\n%s", err, out)
	}
	return binary, nil
}
