package peers

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Config is the configuration of a peer.
type Config struct {
	Brokers []string
	Topic   string
	Secret  string // of the senders' signatures; empty: they are not verified
}

// SignatureHeader carries the signature, as Meta sends it.
const SignatureHeader = "X-Hub-Signature-256"

// BodyBytesMax is the largest body that the peers take.
const BodyBytesMax = 16 << 20

// Verified reports whether the signature is the body's.
func Verified(secret, body, signature []byte) bool {
	const scheme = "sha256="
	if len(signature) < len(scheme) || string(signature[:len(scheme)]) != scheme {
		return false
	}
	var sum [sha256.Size]byte
	if n, err := hex.Decode(sum[:], signature[len(scheme):]); err != nil || n != sha256.Size {
		return false
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return hmac.Equal(mac.Sum(nil), sum[:])
}

// ServeHTTP serves with net/http until ctx ends: the handler that one would write, which reads the body,
// verifies it, and answers when it is published.
func ServeHTTP(ctx context.Context, ln net.Listener, cfg Config, publish func(ctx context.Context, body []byte) error) error {
	secret := []byte(cfg.Secret)
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, BodyBytesMax))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			if len(secret) > 0 && !Verified(secret, body, []byte(r.Header.Get(SignatureHeader))) {
				http.Error(w, "signature", http.StatusUnauthorized)
				return
			}
			if err := publish(r.Context(), body); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			w.WriteHeader(http.StatusOK)
		}),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	closed := server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(closed, err)
	}
	return closed
}
