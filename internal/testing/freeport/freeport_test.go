package freeport

import (
	"net"
	"testing"
)

func TestAddressesAreFreeAndDifferent(t *testing.T) {
	addrs, err := Addresses(t.Context(), 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs { // all at once: two equal ones would fail
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // nobody used it
		if port := l.Addr().(*net.TCPAddr).Port; port < from || port >= to {
			t.Errorf("port %d, want one from %d to %d", port, from, to)
		}
	}
}
