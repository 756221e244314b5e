package app

import (
	"os"
	"strings"
)

// secretOf reads the secret of a flag that names a file into to; no file leaves it as it is. An error says nothing
// of what the file holds.
func secretOf(flag, file string, to *string) error {
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return usagef("--%s: %w", flag, err)
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return usagef("--%s %s: it holds no secret", flag, file)
	}
	*to = secret
	return nil
}
