package kafkacluster

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/coexstream/coexstream/internal/testing/required"
)

//go:embed pom.xml
var pom []byte

// ErrUnavailable is why Kafka cannot be run here: no Java, no Maven, or no registry.
var ErrUnavailable = errors.New("Apache Kafka cannot be had here") //nolint:staticcheck // a name

// Jars returns a folder with Kafka's jars. They are fetched once for each version of the list.
func Jars(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: no cache folder: %w", ErrUnavailable, err)
	}
	sum := sha256.Sum256(pom)
	dir := filepath.Join(cache, "coexstream", "kafka-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	mvn, err := program(ctx, "mvn", "maven")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // jars are no secret
		return "", err
	}
	// Fetched beside, and moved: nobody ever sees half of them.
	work, err := os.MkdirTemp(filepath.Dir(dir), "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work) //nolint:errcheck // no more than litter
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o600); err != nil {
		return "", err
	}
	libs := filepath.Join(work, "libs")
	cmd := exec.CommandContext(ctx, mvn, "-B", "-q", "-f", filepath.Join(work, "pom.xml"), "dependency:copy-dependencies", "-DoutputDirectory="+libs)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: mvn dependency:copy-dependencies: %w\n%s", ErrUnavailable, err, out)
	}
	if err := os.Rename(libs, dir); err != nil {
		if _, there := os.Stat(dir); there == nil {
			return dir, nil // somebody else was quicker
		}
		return "", err
	}
	return dir, nil
}

// java is the runtime that Kafka runs on; Kafka 4 wants 17 or later.
func java(ctx context.Context) (string, error) {
	return program(ctx, "java", "default-jre-headless")
}

// Maven returns the program that builds for Java, and installs a compiler if necessary. ErrUnavailable: there is none.
func Maven(ctx context.Context) (string, error) {
	if _, err := program(ctx, "javac", "default-jdk-headless"); err != nil {
		return "", err
	}
	return program(ctx, "mvn", "maven")
}

// Java returns the runtime that Kafka and its clients run on.
func Java(ctx context.Context) (string, error) { return java(ctx) }

// program finds a program, and installs its Debian package where it is missing and may be installed.
func program(ctx context.Context, name, pkg string) (string, error) {
	path, err := required.Program(ctx, name, pkg)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return path, nil
}
