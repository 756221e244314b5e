package webhook

import (
	"fmt"
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

// linkLifeMax is the longest time of a link.
const linkLifeMax = 7 * 24 * time.Hour

// Links makes a link to a stored content, by its SHA-256 in hexadecimal digits.
type Links func(sha256, filename string, expires time.Time) string

// WithLinks lets events have links where their endpoints ask for them. links is nil where none can be made: that is an error for an endpoint that
// asks.
func (all Endpoints) WithLinks(links Links) error {
	for _, e := range all {
		if e.AssetLinks > 0 && links == nil {
			return invalid.Value(fmt.Sprintf("asset_links of the endpoint %s", e.Name), time.Duration(e.AssetLinks),
				"no links, or sink.media.link_url and sink.media.link_key")
		}
		e.links = links
	}
	return nil
}

// linkOf is the link that an event has; empty: none. Each attempt at a delivery has a new one.
func (e *Endpoint) linkOf(ev *event.Event, now time.Time) string {
	if a := ev.Asset; e.AssetLinks > 0 && e.links != nil && a != nil && a.State == schemas.AssetStored && a.SHA256 != "" {
		return e.links(a.SHA256, a.Filename, now.Add(time.Duration(e.AssetLinks)))
	}
	return ""
}
