package admin

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// addressed reports whether the Host of a request is allowed: an IP address, none, localhost, or a name of Hosts. A web
// page can let a name of its own resolve to this machine (DNS rebinding). The browser then sends that name, and never an
// IP address or no name.
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

// crossSite reports whether a browser sends the request for a page of another site, except for a followed link.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return r.Header.Get("Sec-Fetch-Dest") != "document" || r.Header.Get("Sec-Fetch-Mode") != "navigate"
	}
	return false
}
