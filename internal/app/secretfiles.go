package app

import (
	"os"
	"strings"
)

// secretOf reads the file of a flag into to. Without a file it changes nothing. An error contains nothing of the
// content.
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
