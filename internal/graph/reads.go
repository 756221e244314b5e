package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Number has the fields of a number that a preflight looks at.
type Number struct {
	ID           string `json:"id"`
	Display      string `json:"display_phone_number"`
	IsOnBizApp   *bool  `json:"is_on_biz_app"`
	PlatformType string `json:"platform_type"`
}

// Error is a read that failed.
type Error struct {
	What    string
	Outcome Outcome
	away    bool
}

// Unreachable reports whether no whole answer came from the provider. A token or an id is not the cause.
func (e *Error) Unreachable() bool { return e.away }

// Error has the object and the reason.
func (e *Error) Error() string {
	if e.Outcome.Code != 0 {
		return fmt.Sprintf("%s: %s (code %d)", e.What, e.Outcome.Message, e.Outcome.Code)
	}
	return e.What + ": " + e.Outcome.Message
}

const numberFields = "id,display_phone_number,is_on_biz_app,platform_type"

// Number reads the fields of a number.
func (c *Client) Number(ctx context.Context, token Token, phoneNumberID string) (Number, error) {
	var n Number
	err := c.get(ctx, token, "read number "+phoneNumberID, []string{phoneNumberID}, "", url.Values{"fields": {numberFields}}, &n)
	return n, err
}

// pagesMax bounds the pages of a list.
const pagesMax = 100

// list reads all pages of an edge.
func list[T any](ctx context.Context, c *Client, token Token, what, id, edge string, query url.Values) ([]T, error) {
	var all []T
	for range pagesMax {
		var page struct {
			Data   []T `json:"data"`
			Paging struct {
				Next    string `json:"next"`
				Cursors struct {
					After string `json:"after"`
				} `json:"cursors"`
			} `json:"paging"`
		}
		if err := c.get(ctx, token, what, []string{id}, edge, query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		// `next` is a URL with the token in it. The cursor is enough.
		if page.Paging.Next == "" || page.Paging.Cursors.After == "" {
			return all, nil
		}
		query.Set("after", page.Paging.Cursors.After)
	}
	return nil, fmt.Errorf("%s: more than %d pages", what, pagesMax)
}

// Numbers lists the numbers of a WABA.
func (c *Client) Numbers(ctx context.Context, token Token, wabaID string) ([]Number, error) {
	return list[Number](ctx, c, token, "list the numbers of WABA "+wabaID, wabaID, "/phone_numbers", url.Values{"fields": {numberFields}, "limit": {"100"}})
}

// App is an app that is subscribed to a WABA.
type App struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// SubscribedApps lists the apps that are subscribed to a WABA.
func (c *Client) SubscribedApps(ctx context.Context, token Token, wabaID string) ([]App, error) {
	type entry struct {
		App App `json:"whatsapp_business_api_data"`
	}
	entries, err := list[entry](ctx, c, token, "list the apps of WABA "+wabaID, wabaID, "/subscribed_apps", url.Values{})
	if err != nil {
		return nil, err
	}
	apps := make([]App, 0, len(entries))
	for _, e := range entries {
		apps = append(apps, e.App)
	}
	return apps, nil
}

// Subscription is a subscription of an app to webhooks of one object.
type Subscription struct {
	Object      string
	CallbackURL string
	Active      bool
	Fields      []string
}

// Subscriptions lists those of an app. Its token is the app's: APP_ID|APP_SECRET.
func (c *Client) Subscriptions(ctx context.Context, appToken Token, appID string) ([]Subscription, error) {
	type field struct {
		Name string `json:"name"`
	}
	type entry struct {
		Object      string  `json:"object"`
		CallbackURL string  `json:"callback_url"`
		Active      bool    `json:"active"`
		Fields      []field `json:"fields"`
	}
	entries, err := list[entry](ctx, c, appToken, "list the subscriptions of app "+appID, appID, "/subscriptions", url.Values{})
	if err != nil {
		return nil, err
	}
	var subs []Subscription
	for _, e := range entries {
		s := Subscription{Object: e.Object, CallbackURL: e.CallbackURL, Active: e.Active}
		for _, f := range e.Fields {
			s.Fields = append(s.Fields, f.Name)
		}
		subs = append(subs, s)
	}
	return subs, nil
}

// get reads an object. The ids are checked, because they become parts of the path.
func (c *Client) get(ctx context.Context, token Token, what string, ids []string, edge string, query url.Values, to any) error {
	for _, id := range ids {
		if !ValidID(id) {
			return &Error{What: what, Outcome: Outcome{Kind: NotSent, Message: "the id is not a number"}}
		}
	}
	path := "/" + strings.Join(ids, "/") + edge
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	answer, sent, err := c.do(ctx, token, http.MethodGet, path, nil)
	if err != nil {
		o := Outcome{Kind: NotSent, Message: token.clean(reason(err))}
		if sent {
			o.Kind = Unknown
		}
		return &Error{what, o, true}
	}
	if answer.Status != http.StatusOK {
		return &Error{What: what, Outcome: Classify(answer, token, false)}
	}
	if err := json.Unmarshal(answer.Body, to); err != nil {
		return &Error{What: what, Outcome: Outcome{Kind: Unknown, Status: answer.Status, Message: "the answer has another shape"}}
	}
	return nil
}
