package graph

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
)

// Media is what the API says about a media asset.
type Media struct {
	URL      string
	MIMEType string
	SHA256   string // as it is written
	Bytes    int64  // -1: not said
}

// Media looks up an asset by its id. The number limits the look-up to assets of the business.
func (c *Client) Media(ctx context.Context, token Token, mediaID, phoneNumberID string) (Media, error) {
	var m struct {
		URL      string          `json:"url"`
		MIMEType string          `json:"mime_type"`
		SHA256   string          `json:"sha256"`
		FileSize json.RawMessage `json:"file_size"` // a number, or a number in a string
	}
	query := url.Values{}
	if ValidID(phoneNumberID) {
		query.Set("phone_number_id", phoneNumberID)
	}
	if err := c.get(ctx, token, "look up media "+mediaID, []string{mediaID}, "", query, &m); err != nil {
		return Media{}, err
	}
	found := Media{URL: m.URL, MIMEType: printable(m.MIMEType, idBytesMax), SHA256: m.SHA256, Bytes: -1}
	if n, err := strconv.ParseInt(requestID(m.FileSize), 10, 64); err == nil && n >= 0 {
		found.Bytes = n
	}
	return found, nil
}

// Hidden reports whether the provider said that an object does not exist, or that the token may not see it.
func (o *Outcome) Hidden() bool { return o.Code == 100 && o.Subcode == hiddenSubcode }
