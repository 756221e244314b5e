package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/coexstream/coexstream/bench/child"
	"github.com/coexstream/coexstream/internal/testing/postgresserver"
	"github.com/coexstream/coexstream/internal/testing/required"
)

// tables are a PostgreSQL, and the sinks that keep its tables. Each sink reaches it by a link of its own.
type tables struct {
	server *postgresserver.Server
	links  links
	sinks  map[string]*process
}

// setTables starts PostgreSQL, creates the tables, and prepares the sinks. Where PostgreSQL is missing, the run goes without.
func (s *stage) setTables(ctx context.Context) error {
	server, err := postgresserver.Start(ctx, postgresserver.Config{}, required.Everything())
	if errors.Is(err, postgresserver.ErrUnavailable) && !required.Everything() {
		s.say("SKIP the tables: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	t := &tables{server: server, sinks: map[string]*process{}}
	s.tables = t
	admins, err := child.FreeAddresses(sinksMax)
	if err != nil {
		return err
	}
	for i := range sinksMax {
		name := sinkName(i + 1)
		own, err := url.Parse(server.URL("postgres"))
		if err != nil {
			return err
		}
		l, err := newLink(ctx, name, postgresName, anyPort, own.Host)
		if err != nil {
			return err
		}
		t.links = append(t.links, l)
		own.Host = l.addr()
		file := filepath.Join(s.dir, name+".url")
		if err := os.WriteFile(file, []byte(own.String()), 0o600); err != nil {
			return err
		}
		t.sinks[name] = &process{
			name: name, binary: s.binary, dir: s.dir, admin: admins[i], ended: s.ended,
			args: []string{"sink", "postgres", "--config", s.configFile(), "--brokers", s.cluster.addrs(name), "--url-file", file},
		}
	}
	if err := runHere(s.command(ctx, "sink", "postgres", "migrate")); err != nil {
		return fmt.Errorf("sink postgres migrate: %w; see %s", err, s.toolLog())
	}
	return nil
}

func (t *tables) close() error {
	for _, p := range t.sinks {
		p.kill()
	}
	err := t.server.Close()
	t.links.close()
	return err
}

// onPostgres ends the database server and starts it again. Its data survives a crash of its processes.
func (s *stage) onPostgres(ctx context.Context, f fault) error {
	end := s.tables.server.Stop
	if f.kind == kindKill {
		end = s.tables.server.Kill
	}
	if err := end(); err != nil {
		return err
	}
	_ = rest(ctx, f.length) // told to stop: the server comes back earlier
	startCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return s.tables.server.Start(startCtx)
}
