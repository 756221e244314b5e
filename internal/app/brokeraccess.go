package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/embedded"
	"github.com/coexstream/coexstream/internal/private"
)

// If clients of the embedded broker must authenticate, `up` generates a password and stores it in the data folder:
// alone, for kafka.sasl.password_file, and with the other properties of a client, for kcat.
const (
	brokerPasswordName   = "broker.password"
	brokerPropertiesName = "broker.properties"
	brokerMechanism      = "scram-sha-256"
)

func brokerPasswordPath(dataDir string) string { return filepath.Join(dataDir, brokerPasswordName) }

// brokerPassword returns the password of the embedded broker, and generates it at the first start; empty: none is required.
func brokerPassword(cfg *config.Config) (password string, isNew bool, err error) {
	if !cfg.Embedded.Authenticates() {
		return "", false, nil
	}
	path := brokerPasswordPath(cfg.DataDir)
	b, err := private.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		password = randomHex(16)
		if err := private.Replace(path, []byte(password+"\n")); err != nil {
			return "", false, fmt.Errorf("keep the broker's password: %w", err)
		}
		return password, true, nil
	case err != nil:
		return "", false, fmt.Errorf("read the broker's password: %w", err)
	}
	if password = config.FromFile(b); password == "" {
		return "", false, fmt.Errorf("read the broker's password: %s is empty; remove it to have a new one generated", path)
	}
	return password, false, nil
}

// keepBrokerProperties writes the properties for kcat, so that the password is on no command line.
func keepBrokerProperties(dataDir, address, password string) error {
	path := filepath.Join(dataDir, brokerPropertiesName)
	if password == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what clients of the broker needed: %w", err)
		}
		return nil
	}
	content := fmt.Sprintf(`# For kcat -F and other clients of librdkafka. Generated at each start of 'coexstream up'.
bootstrap.servers=%s
security.protocol=SASL_PLAINTEXT
sasl.mechanisms=%s
sasl.username=%s
sasl.password=%s
`, address, strings.ToUpper(brokerMechanism), embedded.User, password)
	if err := private.Replace(path, []byte(content)); err != nil {
		return fmt.Errorf("keep what clients of the broker need: %w", err)
	}
	return nil
}

// brokerReaders returns the text about access to the embedded broker's topics.
func brokerReaders(cfg *config.Config, address string, authenticates bool) string {
	topic := cfg.Kafka.Prefix + "messages"
	if authenticates {
		return fmt.Sprintf(`Reading the topics takes the password in %s, which only this user can read. With kcat:

  kcat -F %s -b %s -C -t %s -o beginning
`, brokerPasswordPath(cfg.DataDir), filepath.Join(cfg.DataDir, brokerPropertiesName), address, topic)
	}
	return fmt.Sprintf(`Every user and program of this machine can read and write the topics, without a password. With kcat:

  kcat -b %s -C -t %s -o beginning

To ask for a password: --set embedded.authentication=%s
`, address, topic, config.AuthenticationAlways)
}
