package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/desk/office"
)

// deskAPI calls the desk's HTTP interface.
type deskAPI struct {
	base   string
	client *http.Client
}

// deskAt returns the desk that the configuration names, or that of this machine.
func (a *app) deskAt(cmd *cobra.Command) (*deskAPI, error) {
	cfg, up, err := a.loadBeside(cmd)
	if err != nil {
		return nil, err
	}
	base := cmp.Or(cfg.Desk.URL, adminURL(cfg, up))
	if base == "" {
		return nil, usagef("there is no desk: set desk.url")
	}
	if config.PlainBeyondLoopback(cfg.Desk.URL) {
		a.logger(cfg).Warn("desk.url is http to another machine: the token of the client is sent in plain text", "desk_url", cfg.Desk.URL)
	}
	transport, err := newAdminTransport(cfg)
	if err != nil {
		return nil, err
	}
	transport.token = cmp.Or(cfg.Desk.ClientToken, transport.token)
	return &deskAPI{strings.TrimRight(base, "/"), &http.Client{
		Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the transport would send the token there
	}}, nil
}

// call sends a request and reads the answer. Another status is an error.
func (d *deskAPI) call(ctx context.Context, method, path string, body, to any, wanted ...int) (raw []byte, err error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, in)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if user := os.Getenv("USER"); user != "" {
		req.Header.Set(deskByHeader, user)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the desk at %s: %w", d.base, err)
	}
	defer func() { _ = resp.Body.Close() }()
	const most = 64 << 20
	if raw, err = io.ReadAll(io.LimitReader(resp.Body, most)); err != nil {
		return nil, fmt.Errorf("ask the desk at %s: %w", d.base, err)
	}
	var failed struct {
		Error string `json:"error"`
		Kind  string `json:"kind"`
	}
	if json.Unmarshal(raw, &failed) == nil && failed.Error != "" {
		if failed.Kind == "invalid" {
			return nil, usageError{errors.New(failed.Error)}
		}
		return nil, errors.New(failed.Error)
	}
	for _, status := range wanted {
		if resp.StatusCode == status {
			return raw, json.Unmarshal(raw, to)
		}
	}
	if resp.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("no desk runs at %s: start 'coexstream up' or 'coexstream desk', or set desk.url", d.base)
	}
	return nil, fmt.Errorf("the desk at %s answered HTTP %d", d.base, resp.StatusCode)
}

// statuses returns those of a number, of a WABA, or of all.
func (d *deskAPI) statuses(ctx context.Context, f *syncFlags) ([]*office.Status, []byte, error) {
	if f.wish.PhoneNumberID != "" {
		s := &office.Status{}
		raw, err := d.call(ctx, http.MethodGet, "/v1/syncs/"+url.PathEscape(f.wish.PhoneNumberID), nil, s, http.StatusOK)
		return []*office.Status{s}, raw, err
	}
	var list struct {
		Syncs []*office.Status `json:"syncs"`
	}
	raw, err := d.call(ctx, http.MethodGet, "/v1/syncs?waba_id="+url.QueryEscape(f.wish.WABAID), nil, &list, http.StatusOK)
	return list.Syncs, raw, err
}
