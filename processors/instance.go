package processors

import (
	"crypto/rand"
	"os"
)

// randomInstance returns a unique instance id. Two processors with one transactional id would fence each other.
func randomInstance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return host + "-" + rand.Text()[:10]
}
