package app

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/coexstream/coexstream/ingress"
	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/internal/reload"
)

// The functions of this file reload secrets and certificates when their files change, see package reload.

// watch loads a set. With a watcher it loads the set again when its files change.
func watch(w *reload.Watcher, s reload.Set) error {
	add := reload.Load
	switch {
	case len(s.Files) == 0:
		return nil
	case w != nil:
		add = w.Add
	}
	if err := add(s); err != nil {
		return fmt.Errorf("%w: %w", config.ErrInvalid, err)
	}
	return nil
}

// secret is a password or token that may come from a file.
type secret struct{ value atomic.Pointer[string] }

func (s *secret) get() string { return *s.value.Load() }

// watch sets the value, or the content of the file if one is named.
func (s *secret) watch(w *reload.Watcher, key, value, file string) error {
	s.value.Store(&value)
	if file == "" {
		return nil
	}
	return watch(w, reload.Set{
		Name: key, Files: []reload.File{{Key: key + "_file", Path: file}},
		Load: func(contents [][]byte) error {
			value := config.FromFile(contents[0])
			if value == "" {
				return invalid.Value(key+"_file", file, "a file with %s (this one is empty)", key)
			}
			s.value.Store(&value)
			return nil
		},
	})
}

// watchSource passes the credentials of a source to the server, and again after a change of their files.
func watchSource(w *reload.Watcher, server *ingress.Server, source config.Source) error {
	set := reload.Set{Name: "ingress.sources." + source.Name}
	secrets := slices.Clone(source.Secrets)
	source.Secrets = secrets
	var into []*string
	at := "ingress.sources[name=" + source.Name + "]"
	if source.VerifyTokenFile != "" {
		set.Files = append(set.Files, reload.File{Key: at + ".verify_token_file", Path: source.VerifyTokenFile})
		into = append(into, &source.VerifyToken)
	}
	for i := range secrets {
		if secrets[i].ValueFile != "" {
			set.Files = append(set.Files, reload.File{Key: at + ".secrets[id=" + secrets[i].ID + "].value_file", Path: secrets[i].ValueFile})
			into = append(into, &secrets[i].Value)
		}
	}
	set.Load = func(contents [][]byte) error {
		for i, b := range contents {
			value := config.FromFile(b)
			if value == "" {
				return invalid.Value(set.Files[i].Key, set.Files[i].Path, "a file with the secret (this one is empty)")
			}
			*into[i] = value
		}
		token, secrets := credentialsOf(&source)
		return server.SetCredentials(source.Name, token, secrets)
	}
	return watch(w, set)
}

// listenerTLS returns the TLS configuration of a listener; nil: plain text.
func listenerTLS(w *reload.Watcher, section string, certFile, keyFile, clientCAFile, minVersion string) (*tls.Config, error) {
	if certFile == "" {
		return nil, nil
	}
	identity := &reload.Identity{Section: section, CertFile: certFile, KeyFile: keyFile, AuthorityKey: "client_ca_file", AuthorityFile: clientCAFile}
	if err := watch(w, identity.Set(w)); err != nil {
		return nil, err
	}
	oldest := uint16(tls.VersionTLS12)
	if strings.HasSuffix(minVersion, "1.3") {
		oldest = tls.VersionTLS13
	}
	return identity.Server(oldest), nil
}
