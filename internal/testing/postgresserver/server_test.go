package postgresserver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestWhereThereIsNoPostgresTheReasonSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	nowhere := filepath.Join(t.TempDir(), "*", "bin")
	for _, install := range []bool{false, true} { // nothing can be installed without apt-get
		if dir, err := folder(t.Context(), nowhere, install); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "install the package postgresql") {
			t.Errorf("install %v: %q, %v", install, dir, err)
		}
	}
}

func TestTheNewestOfSeveralVersionsIsTaken(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	root := t.TempDir()
	for _, version := range []string{"9", "15", "17", "18"} {
		if err := os.MkdirAll(filepath.Join(root, version, "bin"), 0o700); err != nil {
			t.Fatal(err)
		}
		if version == "18" {
			continue // its programs were removed
		}
		if err := os.WriteFile(filepath.Join(root, version, "bin", "initdb"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if dir, err := folder(t.Context(), filepath.Join(root, "*", "bin"), false); err != nil || dir != filepath.Join(root, "17", "bin") {
		t.Errorf("%q, %v", dir, err)
	}
}

func TestWhatWasCommittedIsThereAfterAKill(t *testing.T) {
	s := Test(t, Config{Fsync: true})
	url, err := s.NewDatabase(t.Context(), "kept")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE t AS SELECT 7 AS x"); err != nil {
		t.Fatal(err)
	}
	pid := s.PID()
	if err := errors.Join(s.Kill(), s.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	if conn.Ping(t.Context()) == nil {
		t.Error("the connection outlived the server")
	}
	if conn, err = pgx.Connect(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var x int
	if err := conn.QueryRow(t.Context(), "SELECT x FROM t").Scan(&x); err != nil || x != 7 || s.PID() == pid {
		t.Errorf("x %d, err %v, process %d after %d", x, err, s.PID(), pid)
	}
	if err := errors.Join(conn.Close(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) || s.PID() != 0 {
		t.Errorf("left behind: %v, process %d", err, s.PID())
	}
}
