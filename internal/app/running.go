package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/embedded"
	"github.com/coexstream/coexstream/internal/private"
)

// running has the settings of an `up` for the commands beside it. It has no secret.
type running struct {
	PID     int             `json:"pid"`
	Ingress string          `json:"ingress"` // base URL; empty: it is still starting
	Admin   string          `json:"admin"`   // base URL; empty: none
	Sources []runningSource `json:"sources"`

	// Authenticates: the broker requires the password in the data folder.
	Authenticates bool `json:"authenticates,omitempty"`

	// Defaults are keys that the commands must have in common with the `up`.
	Defaults config.Default `json:"defaults"`
}

type runningSource struct {
	Name     string `json:"name"`
	Provider string `json:"provider"`
	Path     string `json:"path"`
}

const runningName = "up.json"

// readRunning returns the settings of an `up` on the data folder, or nil. It may have ended by a kill. Then its broker does
// not answer, and that error is sufficient.
func readRunning(dataDir string) (*running, error) {
	path := filepath.Join(dataDir, runningName)
	b, err := private.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for a running up: %w", err)
	}
	r := &running{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("look for a running up: %s: %w", path, err)
	}
	return r, nil
}

func (r *running) write(dataDir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return private.Replace(filepath.Join(dataDir, runningName), append(b, '\n'))
}

// forgetRunning removes the file of write. After a kill the file stays, and its addresses do not answer.
func forgetRunning(dataDir string) { _ = os.Remove(filepath.Join(dataDir, runningName)) }

// newRunning returns the settings that are known before the broker and the ingress have started.
func newRunning(cfg *config.Config, adminURL string) *running {
	r := &running{
		PID: os.Getpid(), Admin: adminURL, Authenticates: cfg.Embedded.Authenticates(),
		Defaults: config.Default{
			"kafka.brokers":             cfg.Embedded.Listen,
			"kafka.prefix":              cfg.Kafka.Prefix,
			"kafka.partitions":          strconv.Itoa(cfg.Kafka.Partitions),
			"kafka.replication_factor":  strconv.Itoa(cfg.Kafka.ReplicationFactor),
			"kafka.min_insync_replicas": strconv.Itoa(cfg.Kafka.MinInsyncReplicas),
			"topics.max_message_bytes":  strconv.FormatInt(cfg.Topics.MaxMessageBytes, 10),
			"topics.segment_bytes":      strconv.FormatInt(cfg.Embedded.SegmentBytes, 10),
		},
	}
	for key, d := range map[string]config.Kept{
		"raw": cfg.Topics.Raw, "rerouted": cfg.Topics.Rerouted, "events": cfg.Topics.Events, "dlq": cfg.Topics.DLQ,
	} {
		r.Defaults["topics."+key+".retention"] = config.FormatDuration(d.Retention)
	}
	r.Defaults["topics.contacts.tombstone_retention"] = config.FormatDuration(cfg.Topics.Contacts.TombstoneRetention)
	r.Defaults["topics.state.tombstone_retention"] = config.FormatDuration(cfg.Topics.State.TombstoneRetention)
	if r.Authenticates {
		r.Defaults["kafka.sasl.mechanism"], r.Defaults["kafka.sasl.username"] = brokerMechanism, embedded.User
	}
	for _, s := range cfg.Ingress.Sources {
		r.Sources = append(r.Sources, runningSource{s.Name, s.Provider, s.Path})
	}
	return r
}

// localURL returns a URL at which this machine reaches a listener.
func localURL(address string, secure bool) string {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	host, port, ok := cutPort(address)
	if !ok || host == "" || host == "0.0.0.0" || host == "[::]" {
		host = "localhost"
	}
	return scheme + host + ":" + port
}

func cutPort(address string) (host, port string, ok bool) {
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return address, "", false
	}
	return address[:i], address[i+1:], true
}
