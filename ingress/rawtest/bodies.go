package rawtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

const messageBytes = 1 << 10

// Message makes a webhook of 1 KiB with one message of a business. Its text compresses as badly as base64.
func Message(business int) []byte {
	head := fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"1022901293%05d","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"1065401%05d"},"messages":[{"from":"16505551234","id":"wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTdCNTg5RjY1MEMyRjlGMjRGNgA=","timestamp":"1739321024","type":"text","text":{"body":"`, business, business)
	tail := `"}}]},"field":"messages"}]}]}`
	text := make([]byte, messageBytes)
	if _, err := rand.NewChaCha8([32]byte{byte(business)}).Read(text); err != nil {
		panic(err)
	}
	return []byte(head + base64.StdEncoding.EncodeToString(text)[:messageBytes-len(head)-len(tail)] + tail)
}

// History makes a history chunk of about size bytes.
func History(size int) []byte {
	message := `{"from":"15550783881","id":"wamid.HBgLMTY0NjcwNDM1OTUVAgARGBIyNDlBOEI5QUQ4NDc0","timestamp":"1739230955","type":"text","text":{"body":"Thank you for your order"},"history_context":{"status":"READ"}},`
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"history":[{"metadata":{"phase":1,"chunk_order":3,"progress":55},"threads":[{"id":"16505550000","messages":[` +
		strings.TrimSuffix(strings.Repeat(message, size/len(message)), ",") + `]}]}]},"field":"history"}]}]}`)
}

// members renders an object with its members in random order and with random white space.
func members(rng *rand.Rand, m map[string]string) string {
	gap := func() string { return strings.Repeat(string(" \n\t"[rng.IntN(3)]), max(0, rng.IntN(4)-2)) }
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var b strings.Builder
	b.WriteString("{" + gap())
	for i, k := range keys {
		if i > 0 {
			b.WriteString("," + gap())
		}
		fmt.Fprintf(&b, "%q%s:%s%s%s", k, gap(), gap(), m[k], gap())
	}
	b.WriteString("}")
	return b.String()
}

// RandomBody makes a body as the documents have them, with members in any order and any text.
func RandomBody(rng *rand.Rand) string {
	text := func() string {
		words := []string{"history", `"history":[`, `"field":"history"`, `\`, `"`, "{", "]", "Grüße", `"id":"1"`, `waba_info":{"waba_id":"3"}`, "💬"}
		s := ""
		for range rng.IntN(5) {
			s += words[rng.IntN(len(words))]
		}
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	id := func() string { return fmt.Sprintf(`"%d"`, 1e14+rng.Uint64N(9e14)) }
	message := func() string {
		return members(rng, map[string]string{"id": `"wamid.` + strings.Repeat("A", rng.IntN(40)) + `"`, "from": id(), "type": `"text"`, "text": members(rng, map[string]string{"body": text()})})
	}
	list := func(n int, f func() string) string {
		s := make([]string, n)
		for i := range s {
			s[i] = f()
		}
		return "[" + strings.Join(s, ",") + "]"
	}
	metadata := members(rng, map[string]string{"phone_number_id": id(), "display_phone_number": id()})
	history := func() string {
		return list(1+rng.IntN(3), func() string {
			return members(rng, map[string]string{"metadata": `{"phase":0,"chunk_order":1}`, "threads": list(rng.IntN(60), func() string {
				return members(rng, map[string]string{"id": id(), "messages": list(rng.IntN(10), message)})
			})})
		})
	}
	change := func() string {
		switch rng.IntN(5) {
		case 0:
			return members(rng, map[string]string{"field": `"history"`, "value": members(rng, map[string]string{"metadata": metadata, "history": history()})})
		case 1:
			return members(rng, map[string]string{"field": `"account_update"`, "value": members(rng, map[string]string{"event": `"PARTNER_ADDED"`, "waba_info": members(rng, map[string]string{"waba_id": id(), "owner_business_id": id()})})})
		case 2:
			return members(rng, map[string]string{"field": `"history"`, "value": members(rng, map[string]string{"metadata": metadata, "messages": list(2, message)})})
		default:
			return members(rng, map[string]string{"field": `"messages"`, "value": members(rng, map[string]string{"metadata": metadata, "messages": list(rng.IntN(20), message)})})
		}
	}
	if rng.IntN(4) == 0 {
		data := map[string]string{"id": id(), "metadata": metadata}
		event := `"smb_app_state_sync"`
		if rng.IntN(2) == 0 {
			event, data["history"] = `"history"`, history()
		}
		return members(rng, map[string]string{"id": `"evt"`, "event": event, "data": members(rng, data)})
	}
	return members(rng, map[string]string{"object": `"whatsapp_business_account"`, "entry": list(1+rng.IntN(2), func() string {
		return members(rng, map[string]string{"id": id(), "time": "1739321024", "changes": list(1+rng.IntN(3), change)})
	})})
}
