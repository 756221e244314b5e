package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/doctor"
	"github.com/coexstream/coexstream/internal/doctor/probe"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	output  string
	timeout time.Duration
	only    []string
	skip    []string
	admin   []string
	strict  bool
}

func (a *app) doctorCommand() *cobra.Command {
	var names strings.Builder
	for _, c := range doctor.Checks() {
		fmt.Fprintf(&names, "  %-13s %s\n", c.Name, c.What)
	}
	flags := doctorFlags{output: "text", timeout: 30 * time.Second}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check configuration, Kafka, lag, transactions and syncs, and say what to do",
		Long: `Check the whole installation. For each check, the report has the result, the findings and the next steps. Nothing
is changed: the command writes no record and joins no group. It shows phone_number_ids, but no secrets and no
messages.

Checks:
` + names.String() + `
Each check is ok, warn (it works today), fail (webhooks or events are lost, late or refused, now or soon) or
skip (not possible here). The exit code is 0 without failures and 3 with failures. With --strict, warnings count
as failures. docs/operations.md describes each state.`,
		Example: `  coexstream doctor
  coexstream doctor --config /etc/coexstream.yaml --admin http://ingress-0:9090 --admin http://processor-0:9090
  coexstream doctor --only brokers,topics,lag
  coexstream doctor --output json | jq '.findings[] | select(.status == "fail")'`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runDoctor(cmd, &flags) },
	}
	f := cmd.Flags()
	f.StringVarP(&flags.output, "output", "o", flags.output, "text or json")
	f.DurationVar(&flags.timeout, "timeout", flags.timeout, "maximum time for all checks together")
	f.StringSliceVar(&flags.only, "only", nil, "names of the checks to run")
	f.StringSliceVar(&flags.skip, "skip", nil, "names of checks to skip")
	f.StringArrayVar(&flags.admin, "admin", nil, "base URL of the admin listener of an ingress or processor, repeatable (default: the one of this machine)")
	f.BoolVar(&flags.strict, "strict", false, "exit with 3 for warnings as well")
	return cmd
}

func (a *app) runDoctor(cmd *cobra.Command, flags *doctorFlags) error {
	checks, err := flags.checks()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), flags.timeout)
	defer cancel()
	facts, err := a.facts(ctx, cmd, flags, checks)
	if err != nil {
		return err
	}
	if err := cmd.Context().Err(); err != nil {
		return err // facts that are missing because of a signal are no finding
	}
	report := doctor.Judge(facts, checks)
	if flags.output == "json" {
		err = writeJSON(cmd.OutOrStdout(), report)
	} else {
		err = writeFindings(cmd.OutOrStdout(), &report)
	}
	if err != nil {
		return err
	}
	if report.Counts.Fail > 0 || flags.strict && report.Counts.Warn > 0 {
		return errFaults
	}
	return nil
}

// checks returns the names of the checks to run, in the order of the report.
func (f *doctorFlags) checks() ([]string, error) {
	if err := checkOutput(f.output, "text", "json"); err != nil {
		return nil, err
	}
	if f.timeout <= 0 {
		return nil, invalidUsage("--timeout", f.timeout, "more than 0")
	}
	names := doctor.Names()
	for _, given := range slices.Concat(f.only, f.skip) {
		if !slices.Contains(names, given) {
			return nil, invalidUsage("check", given, "%s", strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return len(f.only) > 0 && !slices.Contains(f.only, name) || slices.Contains(f.skip, name)
	}), nil
}

// facts gathers the facts for the checks. An invalid configuration is a fact.
func (a *app) facts(ctx context.Context, cmd *cobra.Command, flags *doctorFlags, checks []string) (*doctor.Facts, error) {
	processes, err := flags.processes()
	if err != nil {
		return nil, err
	}
	cfg, up, err := a.loadBeside(cmd)
	var conn kafka.Connection
	if folder := (*fs.PathError)(nil); cfg != nil && errors.As(err, &folder) {
		err = nil // the data folder cannot be read: the check disk reports that
		if len(cfg.Kafka.Brokers) == 0 {
			cfg.Kafka.Brokers = []string{"127.0.0.1:9092"}
		}
	}
	if err == nil {
		conn, err = connectionOf(cfg, nil) // the report has the errors of its clients
	}
	switch usage := (usageError{}); {
	case errors.As(err, &usage):
		return nil, err
	case errors.Is(err, config.ErrInvalid):
		return &doctor.Facts{Now: time.Now(), ConfigErr: err}, nil
	case err != nil:
		return nil, err
	}
	sources := cfg.Ingress.Sources
	var secretsErr error
	if len(sources) == 0 {
		sources, secretsErr = readSecrets(cfg.DataDir)
	}
	processor, err := processorOf(cfg)
	if err != nil {
		return nil, err
	}
	hash, err := cfg.Hash()
	if err != nil {
		return nil, err
	}
	if up != nil {
		processor.InstanceID, hash = "up", "" // the rest of its configuration comes from its own flags
	}
	if len(processes) == 0 {
		if address := adminURL(cfg, up); address != "" {
			processes = []probe.Process{{URL: address}}
		}
	}
	for i := range processes {
		processes[i].OwnHash = hash
	}
	admins, err := newAdminTransport(cfg)
	if err != nil {
		return nil, err
	}
	defer admins.CloseIdleConnections()
	facts := probe.Gather(ctx, probe.Options{
		Checks: checks, Config: cfg, Sources: sources, Conn: conn, Layout: layoutOf(cfg),
		TransactionalID: processor.GroupID + "-" + processor.InstanceID,
		Files:           secretFiles(cfg, sources), Certificates: certificateFiles(cfg), Folders: folders(cfg), Spools: spools(cfg), BrokerData: brokerFacts(cfg),
		Tokens: tokenFolder(cfg), Processes: processes, Admin: admins, Now: time.Now,
	})
	if secretsErr != nil {
		facts.Failed["secrets"] = secretsErr
	}
	facts.ConfigErr = processor.Validate()
	if len(cfg.Ingress.Sources) > 0 {
		in := ingressOf(cfg)
		facts.ConfigErr = errors.Join(facts.ConfigErr, in.Validate())
	}
	return facts, nil
}

func (f *doctorFlags) processes() ([]probe.Process, error) {
	var list []probe.Process
	for _, given := range f.admin {
		if !strings.Contains(given, "://") {
			given = "http://" + given
		}
		u, err := url.Parse(given)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, invalidUsage("--admin", given, "http://host:port")
		}
		list = append(list, probe.Process{URL: strings.TrimSuffix(u.String(), "/"), Asked: true})
	}
	return list, nil
}

// folders returns the folders that the processes write to.
func folders(cfg *config.Config) []probe.Folder {
	list := []probe.Folder{{Key: "data_dir", Path: cfg.DataDir}}
	if cfg.Ingress.Spool.Enabled && cfg.Ingress.Spool.Dir != "" {
		list = append(list, probe.Folder{Key: "ingress.spool.dir", Path: cfg.Ingress.Spool.Dir})
	}
	return list
}

// spools returns the folders of the disk spool with their shares of the bytes.
func spools(cfg *config.Config) []probe.SpoolFolder {
	if !cfg.Ingress.Spool.Enabled {
		return nil
	}
	c := spoolOf(cfg)
	var list []probe.SpoolFolder
	for _, t := range []schemas.Topic{schemas.TopicRawLive, schemas.TopicRawBulk} {
		limit := c.BytesMax / 4
		if t == schemas.TopicRawBulk {
			limit = c.BytesMax - limit
		}
		list = append(list, probe.SpoolFolder{Topic: t.String(), Path: filepath.Join(c.Dir, t.String()), BytesMax: limit})
	}
	return list
}

// adminURL returns the URL at which a process of this machine would answer.
func adminURL(cfg *config.Config, up *running) string {
	switch {
	case up != nil:
		return up.Admin
	case cfg.Admin.Listen == "":
		return ""
	}
	return localURL(cfg.Admin.Listen, cfg.Admin.TLS.CertFile != "")
}

// secretFiles returns the files with secrets: those that keys name, and the configuration file if it contains secrets.
func secretFiles(cfg *config.Config, sources []config.Source) []probe.SecretFile {
	var files []probe.SecretFile
	add := func(key, path string) {
		if path != "" && !slices.ContainsFunc(files, func(f probe.SecretFile) bool { return f.Path == path }) {
			files = append(files, probe.SecretFile{Key: key, Path: path})
		}
	}
	inline := false
	for i := range sources {
		s := &sources[i]
		at := "source " + s.Name
		add(at+", verify_token_file", s.VerifyTokenFile)
		inline = inline || s.VerifyTokenFile == "" && s.VerifyToken != ""
		for _, secret := range s.Secrets {
			add(at+", secret "+secret.ID, secret.ValueFile)
			inline = inline || secret.ValueFile == ""
		}
	}
	add("kafka.sasl.password_file", cfg.Kafka.SASL.PasswordFile)
	add("kafka.tls.key_file", cfg.Kafka.TLS.KeyFile)
	add("ingress.tls.key_file", cfg.Ingress.TLS.KeyFile)
	add("admin.tls.key_file", cfg.Admin.TLS.KeyFile)
	add("admin.token_file", cfg.Admin.TokenFile)
	for _, f := range []struct{ key, path string }{
		{"sink.postgres.url", cfg.Sink.Postgres.URLFile}, {"desk.app_token", cfg.Desk.AppTokenFile}, {"desk.client_token", cfg.Desk.ClientTokenFile},
	} {
		if !cfg.Unread(f.key) { // it belongs to another role, and may be absent here
			add(f.key+"_file", f.path)
		}
	}
	add("desk.access_file", cfg.Desk.AccessFile)
	if cfg.Sink.Postgres.URLFile == "" && cfg.Sink.Postgres.URL != "" {
		add("sink.postgres.url", fileOf(cfg, "sink.postgres.url"))
	}
	if cfg.Admin.TokenFile == "" && cfg.Admin.Token != "" {
		add("admin.token", fileOf(cfg, "admin.token"))
	}
	if len(cfg.Ingress.Sources) == 0 && len(sources) > 0 {
		add("generated secrets", secretsPath(cfg.DataDir))
	} else if inline {
		add("ingress.sources", fileOf(cfg, "ingress.sources"))
	}
	if cfg.Kafka.SASL.PasswordFile == "" && cfg.Kafka.SASL.Password != "" {
		add("kafka.sasl.password", fileOf(cfg, "kafka.sasl.password"))
	}
	return files
}

// tokenFolder returns the folder with the tokens of the desk; nil: there is none.
func tokenFolder(cfg *config.Config) *probe.Folder {
	if cfg.Desk.TokensDir == "" {
		return nil
	}
	return &probe.Folder{Key: "desk.tokens_dir", Path: cfg.Desk.TokensDir}
}

// certificateFiles returns the certificates that the configuration names.
func certificateFiles(cfg *config.Config) []probe.CertificateFile {
	var files []probe.CertificateFile
	add := func(key, path, keyPath string) {
		if path != "" {
			files = append(files, probe.CertificateFile{Key: key, Path: path, KeyPath: keyPath})
		}
	}
	add("ingress.tls.cert_file", cfg.Ingress.TLS.CertFile, cfg.Ingress.TLS.KeyFile)
	add("ingress.tls.client_ca_file", cfg.Ingress.TLS.ClientCAFile, "")
	add("admin.tls.cert_file", cfg.Admin.TLS.CertFile, cfg.Admin.TLS.KeyFile)
	add("admin.tls.client_ca_file", cfg.Admin.TLS.ClientCAFile, "")
	if cfg.Kafka.TLS.Enabled {
		add("kafka.tls.cert_file", cfg.Kafka.TLS.CertFile, cfg.Kafka.TLS.KeyFile)
		add("kafka.tls.ca_file", cfg.Kafka.TLS.CAFile, "")
	}
	return files
}

// fileOf returns the file that gave a key its value; empty: none.
func fileOf(cfg *config.Config, key string) string {
	from := cfg.Origin(key)
	if info, err := os.Stat(from); err == nil && info.Mode().IsRegular() {
		return from
	}
	return ""
}

// writeFindings writes a report as text: one line for a passed check, more for others.
func writeFindings(out io.Writer, r *doctor.Report) error {
	var b strings.Builder
	for _, f := range r.Findings {
		status := f.Status.String()
		if f.Status == doctor.Fail {
			status = "FAIL"
		}
		found := f.Found
		if f.On != "" {
			found = f.On + ": " + found
		}
		fmt.Fprintf(&b, "%-5s %-13s %s\n", status, f.Check, found)
		if f.Do != "" {
			fmt.Fprintf(&b, "%-5s %-13s %s\n%-5s %-13s %s\n", "", "  tried", f.Tried, "", "  do", f.Do)
		}
	}
	c := r.Counts
	fmt.Fprintf(&b, "\n%d ok, %d skipped, %s, %s\n", c.OK, c.Skip, counted(c.Warn, "warning"), counted(c.Fail, "failure"))
	_, err := io.WriteString(out, b.String())
	return err
}
