package schemas

// ScopedWAMID has the parts of a wamid. One message may have two: in one of them User is the phone number of the
// WhatsApp user, in the other its business-scoped user id. The token is the same in both.
//
// The token alone does not name a message: a message to a broadcast list has one token in all chats.
type ScopedWAMID struct {
	buffer [wamidBytesMax]byte
	user   [2]uint8 // from and to in buffer
	token  [2]uint8
}

// User is the WhatsApp user's phone number or business-scoped user id.
func (w *ScopedWAMID) User() []byte { return w.buffer[w.user[0]:w.user[1]] }

// Token is the part that WhatsApp gave the message: hexadecimal digits.
func (w *ScopedWAMID) Token() []byte { return w.buffer[w.token[0]:w.token[1]] }

const (
	wamidPrefix    = "wamid."
	wamidBytesMax  = 192 // decoded
	wamidTokenMin  = 16  // digits
	wamidTokenMax  = 64
	wamidUserBytes = 3 // at least
)

// ParseWAMID takes a wamid apart. ok is false where it is not laid out as those of the documents and of captured
// webhooks are: `wamid.` and, in base64, a structure of the user's id, a number and the token, of which the last ends it:
//
//	1c 18 <n> <user: n bytes> 15 <number> 00 (11|12) 18 <n> <token: n digits> 00
//
// It allocates nothing.
func ParseWAMID(wamid []byte) (w ScopedWAMID, ok bool) {
	if len(wamid) <= len(wamidPrefix) || string(wamid[:len(wamidPrefix)]) != wamidPrefix {
		return w, false
	}
	n := decodeBase64(&w.buffer, wamid[len(wamidPrefix):])
	b := w.buffer[:max(n, 0)]
	if n < 3 || b[0] != 0x1c || b[1] != 0x18 {
		return w, false
	}
	user := 3 + int(b[2])
	if b[2] < wamidUserBytes || user+6 > n {
		return w, false
	}
	if b[user] != 0x15 || b[user+1]&0x80 != 0 || b[user+2] != 0 || b[user+3] != 0x11 && b[user+3] != 0x12 || b[user+4] != 0x18 {
		return w, false
	}
	size, token := int(b[user+5]), user+6
	if size < wamidTokenMin || size > wamidTokenMax || token+size+1 != n || b[n-1] != 0 {
		return w, false
	}
	for _, c := range b[3:user] {
		if c <= ' ' || c > '~' {
			return w, false
		}
	}
	for _, c := range b[token : token+size] {
		if c-'0' >= 10 && (c|0x20)-'a' >= 6 {
			return w, false
		}
	}
	w.user, w.token = [2]uint8{3, uint8(user)}, [2]uint8{uint8(token), uint8(token + size)}
	return w, true
}

// decodeBase64 decodes standard base64, with or without its padding, and nothing else: no line breaks. It returns how many
// bytes there are, -1 where text is none or too long. It is a third of the cost of encoding/base64, which is asked for
// each live message.
func decodeBase64(dst *[wamidBytesMax]byte, text []byte) (n int) {
	if len(text)%4 == 0 {
		for range 2 {
			if k := len(text) - 1; k > 0 && text[k] == '=' {
				text = text[:k]
			}
		}
	}
	if len(text)%4 == 1 || len(text)/4*3+2 > len(dst) {
		return -1
	}
	for len(text) >= 4 {
		x, y, z, w := base64Values[text[0]], base64Values[text[1]], base64Values[text[2]], base64Values[text[3]]
		if (x|y|z|w)&noBase64 != 0 {
			return -1
		}
		dst[n], dst[n+1], dst[n+2] = x<<2|y>>4, y<<4|z>>2, z<<6|w
		n += 3
		text = text[4:]
	}
	if len(text) == 0 {
		return n
	}
	x, y, z := base64Values[text[0]], base64Values[text[1]], byte(0)
	if len(text) == 3 {
		z = base64Values[text[2]]
	}
	if (x|y|z)&noBase64 != 0 {
		return -1
	}
	dst[n], dst[n+1] = x<<2|y>>4, y<<4|z>>2
	return n + len(text) - 1
}

const noBase64 = 0x80

// base64Values is never written to.
var base64Values = func() (values [256]byte) {
	for i := range values {
		values[i] = noBase64
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		values[c] = byte(i)
	}
	return values
}()
