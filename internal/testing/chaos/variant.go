package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// variant is a change of the program that is made for a run. The product's source is not touched, and the binary that
// is deployed has nothing of it: the compiler gets other versions of some files.
type variant struct {
	file  string      // of the product, in the module's folder
	edits [][2]string // replacements in it, as old and new text; each old text occurs once
	added string      // a file that is not there yet; empty: none
	code  string      // its content
}

// buildVariant builds the program with changes to different files, and returns the binary's path. It has to run
// within the module.
func buildVariant(ctx context.Context, dir, name string, variants ...variant) (string, error) {
	binary := filepath.Join(dir, "coexstream-"+name)
	return binary, build(ctx, dir, name, variants, "-o", binary, ".")
}

// build runs go build in the module's folder, with changes to different files.
func build(ctx context.Context, dir, name string, variants []variant, args ...string) error {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module's folder: %w", err)
	}
	module := strings.TrimSpace(string(out))
	replace := map[string]string{}
	write := func(product, content string) error {
		path := filepath.Join(dir, name+"-"+strings.ReplaceAll(product, "/", "-"))
		replace[filepath.Join(module, product)] = path
		return os.WriteFile(path, []byte(content), 0o600)
	}
	for _, v := range variants {
		original, err := os.ReadFile(filepath.Join(module, v.file))
		if err != nil {
			return err
		}
		source := string(original)
		for _, e := range v.edits {
			if n := strings.Count(source, e[0]); n != 1 {
				return fmt.Errorf("%s has %q %d times, not once: fit the change to it", v.file, e[0], n)
			}
			source = strings.Replace(source, e[0], e[1], 1)
		}
		if err := write(v.file, source); err != nil {
			return err
		}
		if v.added == "" {
			continue
		}
		if err := write(v.added, v.code); err != nil {
			return err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	overlay := filepath.Join(dir, name+"-overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", append([]string{"build", "-overlay", overlay}, args...)...)
	command.Dir = module
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build the variant %s: %w\n%s", name, err, out)
	}
	return nil
}
