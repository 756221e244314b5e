package envelope

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

// CloudEventType is the content type of a CloudEvent in structured mode.
const CloudEventType = "application/cloudevents+json; charset=utf-8"

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// attributes are the headers that a CloudEvent has, in their order, and the names of the attributes.
var attributes = []struct{ header, attribute string }{
	{schemas.HeaderCESpecVersion, "specversion"},
	{schemas.HeaderCEID, "id"},
	{schemas.HeaderCESource, "source"},
	{schemas.HeaderCEType, "type"},
	{schemas.HeaderCETime, "time"},
	{schemas.HeaderCESubject, "subject"},
	{schemas.HeaderTraceParent, "traceparent"},
	{schemas.HeaderTraceState, "tracestate"},
	{schemas.HeaderReceivedAt, "coexreceivedat"},
	{schemas.HeaderOrigin, "coexorigin"},
	{schemas.HeaderContactAction, "coexcontactaction"},
}

// AppendCloudEvent appends an event in CloudEvents' structured mode, as JSON. assetLink is a link to the content of an asset; empty: the event has
// none.
func AppendCloudEvent[H ~struct {
	Key   string
	Value []byte
}](dst []byte, e *event.Event, headers []H, assetLink string) []byte {
	dst = append(dst, '{')
	for _, a := range attributes {
		for i := len(headers) - 1; i >= 0; i-- { // the last one counts
			if h := Header(headers[i]); h.Key == a.header {
				dst = appendString(dst, a.attribute)
				dst = append(dst, ':')
				dst = appendString(dst, string(h.Value))
				dst = append(dst, ',')
				break
			}
		}
	}
	if assetLink != "" {
		dst = append(dst, `"coexassetlink":`...)
		dst = append(appendString(dst, assetLink), ',')
	}
	if len(e.Key) > 0 {
		dst = append(dst, `"partitionkey":`...)
		dst = append(appendString(dst, string(e.Key)), ',')
	}
	if len(e.Value) == 0 {
		dst[len(dst)-1] = '}'
		return dst
	}
	dst = append(dst, `"datacontenttype":"application/json","data":`...)
	return append(append(dst, e.Value...), '}')
}

// appendString appends a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	b, _ := jsontext.AppendQuote(dst, s) // it fails for replaced bytes, which are fine here
	return b
}
