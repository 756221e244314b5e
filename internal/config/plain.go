package config

import (
	"net"
	"net/url"
)

// PlainBeyondLoopback reports whether requests to a base URL go to another machine in plain text.
func PlainBeyondLoopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return ip == nil || !ip.IsLoopback()
}
