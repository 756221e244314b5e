package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/desk/office"
	"github.com/coexstream/coexstream/internal/doctor"
	"github.com/coexstream/coexstream/internal/graph"
	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/reload"
	"github.com/coexstream/coexstream/schemas/provider"
)

func (a *app) deskCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "desk",
		Short: "Request syncs of onboarded numbers, once and safely",
		Long: `Request the contacts and the history of onboarded numbers from the provider, on behalf of 'coexstream sync' and of the
HTTP interface on the admin port. Each request is written down before it is sent, and is sent once. Several instances
can run: one of them sends a request.

Tokens come from desk.tokens_dir or desk.token_command. 'up' includes a desk.`,
		Example: `  coexstream desk --config coexstream.yaml --set desk.tokens_dir=/run/secrets/tokens`,
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			if cfg.Admin.Listen == "" {
				return fmt.Errorf("%w: %w", config.ErrInvalid, invalid.Value("admin.listen", "", "an address: the desk answers there"))
			}
			a.collectEarly()
			s, err := newService(cmd.Context(), cfg, a.logger(cfg))
			if err != nil {
				return err
			}
			return s.run(cmd.Context(), func(context.Context) error {
				conn, err := connect(cfg, s.watcher, s.log)
				if err != nil {
					return err
				}
				return s.startDesk(conn, a.deskDoctor(cmd), nil)
			})
		},
	}
	bind(cmd.Flags(), "admin-listen", "admin.listen", "address of the admin listener")
	return cmd
}

// startDesk adds the desk. spools returns the bytes in the spool of this process; nil: it has none.
func (s *service) startDesk(conn kafka.Connection, doctor deskDoctor, spools func() (int64, int64, error)) error {
	clients, err := deskClients(&s.cfg.Desk)
	if err != nil {
		return err
	}
	appToken := &secret{}
	if err := appToken.watch(s.watcher, "desk.app_token", s.cfg.Desk.AppToken, s.cfg.Desk.AppTokenFile); err != nil {
		return err
	}
	access, err := s.deskAccess()
	if err != nil {
		return err
	}
	log, err := office.NewKafkaLog(conn, layoutOf(s.cfg))
	if err != nil {
		return err
	}
	o, err := office.New(office.Deps{
		Log: log, Clients: clients, Tokens: &office.Tokens{Dir: s.cfg.Desk.TokensDir, Command: s.cfg.Desk.TokenCommand}, UnknownAfter: s.cfg.Desk.UnknownAfter,
		Probe: office.Probe{
			AppID: s.cfg.Desk.AppID, AppToken: appToken.get, PublicURL: s.cfg.Desk.PublicURL,
			Source: func() (*provider.Provider, []byte) { return sourceOfURL(s.cfg) }, Doctor: doctor, Spool: spools,
		},
		Find: func(ctx context.Context, numbers map[string]bool) (map[string]office.Synced, error) {
			return s.findSyncs(ctx, conn, numbers)
		},
		Registerer: s.metrics, Logger: s.log, Now: time.Now,
	})
	if err != nil {
		log.Close()
		return err
	}
	if s.admin != nil {
		for pattern, h := range o.Routes(access) {
			s.admin.Mount(pattern, h)
		}
	}
	s.health.AddOptional("desk", o.Ready)
	s.parts.start("desk syncs", func(ctx context.Context) error { return s.followSyncs(ctx, conn, o) })
	s.parts.start("desk", func(ctx context.Context) error {
		defer log.Close()
		return o.Run(ctx)
	})
	return nil
}

// deskClients returns a client for each provider with a call for syncs.
func deskClients(c *config.Desk) (map[string]*graph.Client, error) {
	addresses := map[string]string{}
	for _, entry := range c.Addresses {
		name, address, ok := strings.Cut(entry, "=")
		if p := provider.Named(name); !ok || p == nil || p.Sync == nil {
			var names []string
			for _, p := range provider.Syncing() {
				names = append(names, p.Name+"=URL")
			}
			return nil, fmt.Errorf("%w: %w", config.ErrInvalid, invalid.Value("desk.addresses", name, "%s", strings.Join(names, ", ")))
		}
		addresses[name] = address
	}
	clients := map[string]*graph.Client{}
	for _, p := range provider.Syncing() {
		client, err := graph.New(graph.Config{Provider: p, Address: addresses[p.Name], Timeout: c.Timeout, Now: time.Now})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", config.ErrInvalid, err)
		}
		clients[p.Name] = client
	}
	return clients, nil
}

// sourceOfURL returns the provider and the first secret of the source with the path of desk.public_url.
func sourceOfURL(cfg *config.Config) (*provider.Provider, []byte) {
	u, err := url.Parse(cfg.Desk.PublicURL)
	if err != nil {
		return nil, nil
	}
	for i := range cfg.Ingress.Sources {
		source := &cfg.Ingress.Sources[i]
		if !strings.HasSuffix(u.Path, source.Path) || len(source.Secrets) == 0 {
			continue
		}
		secret := source.Secrets[0]
		if secret.ValueFile == "" {
			return provider.Named(cmp.Or(source.Provider, provider.Default().Name)), []byte(secret.Value)
		}
		b, err := os.ReadFile(secret.ValueFile) // it may have changed
		if err != nil {
			return nil, nil
		}
		return provider.Named(cmp.Or(source.Provider, provider.Default().Name)), []byte(config.FromFile(b))
	}
	return nil, nil
}

// deskDoctor makes all checks of doctor, and lists those that fail. Apart are those that say nothing of a request.
type deskDoctor func(context.Context) (fails, others []string, err error)

// othersChecks are the checks about letters, syncs and sinks of any business. Their faults lose no webhook of a new onboarding.
var othersChecks = []string{"dlq", "syncs", "sinks"}

func (a *app) deskDoctor(cmd *cobra.Command) deskDoctor {
	return func(ctx context.Context) (fails, others []string, err error) {
		const timeout = 20 * time.Second
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		other := &app{io: a.io, file: a.file, sets: a.sets, warned: true} // facts writes to its app
		facts, err := other.facts(ctx, cmd, &doctorFlags{timeout: timeout}, doctor.Names())
		if err != nil {
			return nil, nil, err
		}
		fails, others = failedChecks(doctor.Judge(facts, doctor.Names()))
		return fails, others, nil
	}
}

// failedChecks lists the failures of a report, and apart those that say nothing of a request.
func failedChecks(report doctor.Report) (fails, others []string) {
	for _, f := range report.Findings {
		text := strings.TrimSpace(f.Check + ": " + strings.TrimSpace(f.On+" "+f.Found))
		switch {
		case f.Status != doctor.Fail:
		case slices.Contains(othersChecks, f.Check):
			others = append(others, text)
		default:
			fails = append(fails, text)
		}
	}
	return fails, others
}

// deskSpool returns the state of the fuller folder of the spool, by its share of the bytes.
func deskSpool(cfg *config.Config) func() (used, most int64, err error) {
	return func() (used, most int64, err error) {
		most = 1
		for _, folder := range spools(cfg) {
			bytes, err := bytesIn(folder.Path)
			if err != nil {
				return 0, 0, err
			}
			if float64(bytes)*float64(most) >= float64(used)*float64(folder.BytesMax) {
				used, most = bytes, folder.BytesMax
			}
		}
		return used, most, nil
	}
}

// bytesIn returns the bytes of the files in a folder. A missing folder is empty.
func bytesIn(folder string) (sum int64, err error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() { // a drained file may be gone
			sum += info.Size()
		}
	}
	return sum, err
}

// deskClient is a client of the desk's HTTP interface.
type deskClient struct {
	Name   string         `yaml:"name"`
	Token  string         `yaml:"token"`
	Scopes []office.Scope `yaml:"scopes"`
}

// deskAccess returns who may use the desk: full access to the admin listener, or a token of desk.access_file.
func (s *service) deskAccess() (office.Authorize, error) {
	var clients atomic.Pointer[[]deskClient]
	clients.Store(&[]deskClient{})
	if path := s.cfg.Desk.AccessFile; path != "" {
		err := watch(s.watcher, reload.Set{
			Name: "desk.access", Files: []reload.File{{Key: "desk.access_file", Path: path}},
			Load: func(contents [][]byte) error {
				list, err := readDeskClients(contents[0])
				if err != nil {
					return fmt.Errorf("desk.access_file %s: %w", path, err)
				}
				clients.Store(&list)
				return nil
			},
		})
		if err != nil {
			return nil, err
		}
	}
	return func(r *http.Request, scope office.Scope) (string, bool) {
		if c := clientOf(*clients.Load(), r); c != nil {
			return c.Name, office.Has(c.Scopes, scope)
		}
		if s.admin.Allows(r) {
			if name := r.Header.Get(deskByHeader); name != "" && len(name) <= 64 {
				return "admin/" + strings.ToValidUTF8(name, "?"), true
			}
			return "admin", true
		}
		return "", false
	}, nil
}

// deskByHeader names the caller of a request with full access, for the records.
const deskByHeader = "Coexstream-By"

func clientOf(clients []deskClient, r *http.Request) *deskClient {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	got := sha256.Sum256([]byte(strings.TrimSpace(given)))
	var found *deskClient
	for i := range clients { // all of them, so that the time says nothing
		want := sha256.Sum256([]byte(clients[i].Token))
		if subtle.ConstantTimeCompare(want[:], got[:]) == 1 {
			found = &clients[i]
		}
	}
	return found
}

// readDeskClients reads desk.access_file. An error contains nothing of a token.
func readDeskClients(b []byte) ([]deskClient, error) {
	var file struct {
		Clients []deskClient `yaml:"clients"`
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		return nil, config.WithoutQuotes(err)
	}
	for i, c := range file.Clients {
		at := fmt.Sprintf("clients[%d]", i)
		switch {
		case c.Name == "" || len(c.Name) > 64:
			return nil, invalid.Value(at+".name", c.Name, "1 to 64 bytes")
		case len(c.Token) < 16:
			return nil, invalid.Value(at+".token", invalid.Secret, "at least 16 bytes")
		case len(c.Scopes) == 0:
			return nil, invalid.Value(at+".scopes", c.Scopes, "read, start")
		}
		for _, scope := range c.Scopes {
			if scope != office.Read && scope != office.Start {
				return nil, invalid.Value(at+".scopes", scope, "read, start")
			}
		}
	}
	if len(file.Clients) == 0 {
		return nil, errors.New("it has no clients")
	}
	return file.Clients, nil
}
