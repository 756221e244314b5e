package app

import (
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/long"
)

// The data folder of the commands is another one than the up's, so that files are all that they have.
func TestSimulateAndCheckTakeSecretsFromFiles(t *testing.T) {
	long.Test(t)
	t.Parallel()
	dir := t.TempDir()
	up := startUp(t, dir)
	defer up.signal(syscall.SIGTERM)
	sources, err := readSecrets(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	files, urls := map[string]string{"other": filepath.Join(dir, "other")}, map[string]string{}
	secrets := map[string]string{"other": "of-nobody"}
	for _, s := range sources {
		files[s.Provider], urls[s.Provider] = filepath.Join(dir, s.Name), up.running().Ingress+s.Path
		secrets[s.Provider] = s.Secrets[0].Value
	}
	for name, secret := range secrets {
		if err := os.WriteFile(files[name], []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const meta, dialog = "meta", "360dialog"
	if status := post(t, urls[dialog], secrets[meta], "{}"); status != http.StatusUnauthorized {
		t.Fatalf("both sources take one secret: %d", status)
	}
	up.want(ExitOK, "given up       0", "simulate", "--data-dir", "nothing", "--url", urls[meta], "--secret-file", files[meta],
		"--dialog-url", urls[dialog], "--dialog-secret-file", files[dialog], "--businesses", "4", "--dialog", "0.5", "--messages", "400", "--live", "40", "--seed", "7")
	check := []string{"check", "--data-dir", "nothing", "--brokers", up.running().Defaults["kafka.brokers"]}
	up.want(ExitOK, "OK: 0 lost", append(check, "--secret-file", files[meta], "--secret-file", files[dialog])...)
	up.want(ExitFaults, "", append(check, "--secret-file", files["other"])...)
	up.want(ExitFaults, "", append(check, "--secret-file", files[meta])...)
}
