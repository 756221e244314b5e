package admin

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// addressed tells whether a request names this listener as somebody would who means it. A web page can let a name of its
// own point to this machine (DNS rebinding), and its browser then asks here with that name; it cannot make the browser
// send an IP address, or no name. So those are taken, as is localhost, and any other name only when it is in Hosts.
func (a *Access) addressed(r *http.Request) bool {
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || name == "localhost" {
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return slices.ContainsFunc(a.Hosts, func(h string) bool { return h == "*" || strings.EqualFold(strings.TrimSuffix(h, "."), name) })
}

// crossSite tells whether a page of another site makes a browser ask, other than by a link that somebody follows.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return r.Header.Get("Sec-Fetch-Dest") != "document" || r.Header.Get("Sec-Fetch-Mode") != "navigate"
	}
	return false
}
