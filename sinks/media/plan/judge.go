package plan

import (
	"hash/fnv"
	"math"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Kind is the kind of a Result.
type Kind uint8

// The kinds.
const (
	// Stored: the content is in the bucket.
	Stored Kind = iota
	// Away: the provider did not answer as a whole, or failed.
	Away
	// Throttled: a limit of the provider's rate.
	Throttled
	// Denied: there is no token, or the provider refuses it.
	Denied
	// Gone: the provider does not know the asset.
	Gone
	// Hidden: the provider does not know the asset, or the token may not see it.
	Hidden
	// Refused: the provider refuses for another reason, or its answer may not be followed.
	Refused
	// Differs: the content is not the announced one.
	Differs
	// TooLarge, TypeNotAllowed and Unsupported are final.
	TooLarge
	TypeNotAllowed
	Unsupported
	// Expired: the time of the asset was over before the attempt.
	Expired
	// Own: this side failed: its disk, or the bucket.
	Own
)

var kindNames = [...]string{
	Stored: "stored", Away: "away", Throttled: "throttled", Denied: "denied", Gone: "gone", Hidden: "hidden", Refused: "refused", Differs: "hash_differs",
	TooLarge: "too_large", TypeNotAllowed: "type_not_allowed", Unsupported: "unsupported", Expired: "expired", Own: "own",
}

// String returns the name of the kind.
func (k Kind) String() string { return kindNames[k] }

// Result is the result of an attempt.
type Result struct {
	Kind       Kind
	Detail     string        // for people
	RetryAfter time.Duration // of Throttled
	Seen       bool          // the provider showed the asset to the token of its business

	// The known properties of the content.
	SHA256, MIMEType, DetectedType string
	Bytes                          int64
}

// attemptsMax is the number of attempts at an asset that the provider refuses, does not know, or delivers with another hash.
const attemptsMax = 3

// decision is the consequence of a result.
type decision struct {
	state, reason string        // of an outcome; state is empty: another attempt
	wait          time.Duration // until it
	business      bool          // the whole business waits
}

// decide is a function of the asset's history, the result and the time.
func (p *Plan) decide(it *Item, r *Result, now time.Time) decision {
	missing := func(reason string) decision { return decision{state: schemas.AssetMissing, reason: reason} }
	if it.final && r.Kind == Hidden {
		return missing(schemas.AssetRefused)
	}
	if it.final {
		return missing(schemas.AssetDenied)
	}
	switch r.Kind {
	case Stored:
		return decision{state: schemas.AssetStored}
	case TooLarge:
		return missing(schemas.AssetTooLarge)
	case TypeNotAllowed:
		return missing(schemas.AssetTypeNotAllowed)
	case Unsupported:
		return missing(schemas.AssetUnsupported)
	case Expired:
		if it.last == Denied || p.businesses[it.Asset.WABA].denied {
			return missing(schemas.AssetDenied)
		}
		if it.last == Hidden {
			return missing(schemas.AssetRefused)
		}
		return missing(schemas.AssetExpired)
	case Throttled, Denied:
		return decision{wait: max(r.RetryAfter, p.delay(it.Asset.WABA, p.businesses[it.Asset.WABA].failures)), business: true}
	case Hidden:
		if !it.isUnknown(p.businesses[it.Asset.WABA]) {
			break // until the token has the permission, or the asset expires
		}
		return missing(schemas.AssetRefused)
	case Gone, Refused, Differs:
		if it.faults < attemptsMax {
			break
		}
		switch {
		case r.Kind == Differs:
			return missing(schemas.AssetHashDiffers)
		case r.Kind == Gone && !now.Before(it.Asset.Expires):
			return missing(schemas.AssetExpired)
		}
		return missing(schemas.AssetRefused)
	}
	return decision{wait: max(r.RetryAfter, p.delay(it.Asset.EventID, it.attempts))}
}

// isUnknown reports whether the provider does not know an asset: it was hidden from the token several times, also after the token saw another asset of
// the business. So the token has the permission.
func (it *Item) isUnknown(b *business) bool {
	return it.faults >= attemptsMax && b.seen.After(it.hidden)
}

// delay is the wait after so many failures in a row. It doubles, and up to half of it depends on a name, so that assets that
// failed together do not return together.
func (p *Plan) delay(name string, failures int) time.Duration {
	d := float64(p.limits.RetryMin) * math.Pow(2, float64(min(max(failures, 1), 40)-1))
	d = min(d, float64(p.limits.RetryMax))
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	_, _ = h.Write([]byte{byte(failures)})
	share := float64(h.Sum32()) / math.MaxUint32
	return time.Duration(d * (1 - share/2))
}

// outcome is the event that reports the end of an asset.
func (it *Item) outcome(d decision, r *Result, now time.Time) *schemas.Asset {
	a := &it.Asset
	out := &schemas.Asset{
		WABAID: a.WABA, PhoneNumberID: a.Number, DisplayPhoneNumber: a.Display, EventID: a.EventID, EventType: a.EventType, WAMID: a.WAMID, Thread: a.Thread, GroupID: a.Group, Timestamp: a.Timestamp,
		Historical: a.Historical, MediaID: a.MediaID, Type: a.Type, MIMEType: a.MIMEType, DetectedType: r.DetectedType, Filename: a.Filename,
		State: d.state, Reason: d.reason, SHA256: a.SHA256, Bytes: r.Bytes, ExpiresAt: a.Expires, At: now.UTC(),
	}
	if a.WaID != "" || a.UserID != "" {
		out.Contact = &schemas.Contact{WaID: a.WaID, UserID: a.UserID}
	}
	if out.MIMEType == "" {
		out.MIMEType = r.MIMEType
	}
	if d.state == schemas.AssetStored {
		out.SHA256, out.Object = r.SHA256, ObjectName(r.SHA256)
		return out
	}
	if out.SHA256 == "" {
		out.SHA256 = r.SHA256
	}
	out.Detail = r.Detail
	if r.Kind == Expired && it.why != "" {
		out.Detail = r.Detail + "; before: " + it.why
	}
	return out
}
