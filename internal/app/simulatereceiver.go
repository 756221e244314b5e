package app

import (
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/verify/receiver"
)

func (a *app) simulateReceiverCommand() *cobra.Command {
	c := receiver.Config{Dir: "receiver", Now: time.Now}
	listen, certFile, keyFile := "127.0.0.1:8088", "", ""
	cmd := &cobra.Command{
		Use:   "receiver",
		Short: "Take the webhooks of the endpoints, as a backend does",
		Long: `Serve the endpoints of sink.webhook.endpoints_file at the paths of their URLs. Signatures are verified. Each request and its
answer become a line of DIR/ENDPOINT.jsonl, which is durable before a 200 leaves. 'coexstream check --receiver DIR' judges
the files. They contain the events, so keep them private.

The receiver can fail on purpose, drawn from --seed: with 5xx and 429, without an answer, and by closing the connection
behind a request. The URL of an endpoint needs 'allow: [127.0.0.0/8]', and 'insecure_http: true' without a certificate.
Start the receiver before the sink.`,
		Example: `  coexstream simulate receiver --endpoints-file endpoints.yaml
  coexstream simulate receiver --fail-rate 0.05 --silent-rate 0.01 --cut-rate 0.01 --seed 7
  coexstream simulate receiver --listen 127.0.0.1:8443 --tls-cert-file cert.pem --tls-key-file key.pem`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (certFile == "") != (keyFile == "") {
				return usagef("--tls-cert-file and --tls-key-file: set both or neither")
			}
			if err := c.Failures.Validate(); err != nil {
				return usageError{err}
			}
			cfg, err := a.load(cmd, nil) // it needs no brokers, and may start before an up
			if err != nil {
				return err
			}
			if err := haveEndpoints(cfg); err != nil {
				return err
			}
			if c.Endpoints, err = receiver.Endpoints(cfg.Sink.Webhook.EndpointsFile); err != nil {
				return fmt.Errorf("sink.webhook.endpoints_file: %w", err)
			}
			l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", listen)
			if err != nil {
				return fmt.Errorf("--listen: %w", err)
			}
			s, err := receiver.New(c)
			if err != nil {
				_ = l.Close() // the error before counts
				return err
			}
			scheme := "http"
			if certFile != "" {
				scheme = "https"
			}
			for _, e := range c.Endpoints {
				sayf(cmd.OutOrStdout(), "%s takes %s at %s://%s%s\n", e.Name, e.Format, scheme, l.Addr(), e.Path)
			}
			return s.Serve(cmd.Context(), l, certFile, keyFile)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	bindEndpoints(cmd)
	f.StringVar(&listen, "listen", listen, "address to listen on")
	f.StringVar(&c.Dir, "dir", c.Dir, "folder of the files; existing ones are continued")
	f.StringVar(&certFile, "tls-cert-file", certFile, "PEM file with the certificate")
	f.StringVar(&keyFile, "tls-key-file", keyFile, "PEM file with its key")
	f.Uint64Var(&c.Failures.Seed, "seed", 1, "seed of the failures")
	f.Float64Var(&c.Failures.Errors, "fail-rate", 0, "share of requests with an answer of 5xx or 429")
	f.Float64Var(&c.Failures.Silent, "silent-rate", 0, "share of requests without an answer")
	f.Float64Var(&c.Failures.Cut, "cut-rate", 0, "share of requests whose connection is closed without an answer")
	durationFlag(f, &c.Failures.Delay, "delay", "maximum time before an answer, drawn for each one")
	return cmd
}
