package schemas

import (
	"bytes"
	"encoding/base64"
	"testing"
)

const (
	wamidOfPhone = "wamid.HBgLMTY1MDU1NTAxMDAVAgASGBQzQTAxMDIwMzA0MDUwNjA3MDgwOQA="
	wamidOfBSUID = "wamid.HBgLVVMuQ0FTRTM4MDAVAgASGBQzQTAxMDIwMzA0MDUwNjA3MDgwOQA="
)

func TestBothWamidsOfAMessageHaveItsToken(t *testing.T) {
	for wamid, user := range map[string]string{wamidOfPhone: "16505550100", wamidOfBSUID: "US.CASE3800"} {
		w, ok := ParseWAMID([]byte(wamid))
		if !ok || string(w.User()) != user || string(w.Token()) != "3A010203040506070809" {
			t.Errorf("%s: user %q, token %q, %v", wamid, w.User(), w.Token(), ok)
		}
	}
	// From the documents: sent by the business, without padding.
	w, ok := ParseWAMID([]byte("wamid.HBgLMTY0NjcwNDM1OTUVAgARGBIyNDlBOEI5QUQ4NDc0N0FCNjMA"))
	if !ok || string(w.User()) != "16467043595" || string(w.Token()) != "249A8B9AD84747AB63" {
		t.Errorf("user %q, token %q, %v", w.User(), w.Token(), ok)
	}
}

func TestWamidOfAnotherLayoutIsNotTakenApart(t *testing.T) {
	wamid := func(b string) string { return "wamid." + base64.StdEncoding.EncodeToString([]byte(b)) }
	good := "\x1c\x18\x0b16505550100\x15\x02\x00\x12\x18\x143A010203040506070809\x00"
	if _, ok := ParseWAMID([]byte(wamid(good))); !ok {
		t.Fatal("the pattern of this test is not taken apart")
	}
	for name, id := range map[string]string{
		"empty": "", "prefix alone": "wamid.", "no prefix": wamidOfPhone[6:], "no base64": "wamid.CASE0701!", "other base64": "wamid.Q0FTRQ==",
		"something behind it": wamid(good + "\x00"), "cut": wamid(good[:len(good)-1]),
		"short token":       wamid("\x1c\x18\x0b16505550100\x15\x02\x00\x12\x18\x0e3A010203040506\x00"),
		"token of letters":  wamid("\x1c\x18\x0b16505550100\x15\x02\x00\x12\x18\x143A01020304050607080Z\x00"),
		"another kind":      wamid("\x1c\x18\x0b16505550100\x15\x02\x00\x13\x18\x143A010203040506070809\x00"),
		"a user too long":   wamid("\x1c\x18\xff16505550100\x15\x02\x00\x12\x18\x143A010203040506070809\x00"),
		"a line break":      wamidOfPhone[:20] + "\n" + wamidOfPhone[20:],
		"longer than any":   "wamid." + string(bytes.Repeat([]byte("A"), 4000)),
		"user of no letter": wamid("\x1c\x18\x03\x00\x01\x02\x15\x02\x00\x12\x18\x143A010203040506070809\x00"),
	} {
		if _, ok := ParseWAMID([]byte(id)); ok {
			t.Errorf("%s: %q was taken apart", name, id)
		}
	}
}

func TestTakingAWamidApartAllocatesNothing(t *testing.T) {
	id := []byte(wamidOfPhone)
	if n := testing.AllocsPerRun(100, func() {
		if w, ok := ParseWAMID(id); !ok || len(w.Token()) == 0 {
			t.Fatal("not taken apart")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The parts of a wamid are complete: put together again, they are the wamid.
func FuzzWAMID(f *testing.F) {
	f.Add([]byte(wamidOfPhone))
	f.Add([]byte(wamidOfBSUID))
	f.Add([]byte("wamid.HBgLMTY0NjcwNDM1OTUVAgARGBIyNDlBOEI5QUQ4NDc0N0FCNjMA"))
	f.Add([]byte("wamid."))
	f.Fuzz(func(t *testing.T, id []byte) {
		w, ok := ParseWAMID(id)
		if !ok {
			return
		}
		decoded, err := base64.RawStdEncoding.DecodeString(string(bytes.TrimRight(id[len(wamidPrefix):], "=")))
		if err != nil {
			t.Fatalf("%q: %v", id, err)
		}
		user, token := w.User(), w.Token()
		again := append([]byte{0x1c, 0x18, byte(len(user))}, user...)
		again = append(append(again, decoded[len(again):len(again)+5]...), byte(len(token)))
		again = append(append(again, token...), 0)
		if !bytes.Equal(again, decoded) || len(token) < wamidTokenMin {
			t.Fatalf("%q: user %q and token %q make %x, not %x", id, user, token, again, decoded)
		}
	})
}

func BenchmarkParseWAMID(b *testing.B) {
	id := []byte(wamidOfPhone)
	b.ReportAllocs()
	for range b.N {
		if _, ok := ParseWAMID(id); !ok {
			b.Fatal("not taken apart")
		}
	}
}

// decodeBase64 is encoding/base64 without line breaks.
func FuzzBase64(f *testing.F) {
	for _, text := range []string{wamidOfPhone[6:], "", "=", "==", "QQ", "QQ==", "QUI=", "QUJD", "Q", "QQ=", "QQ===", "Q=Q=", "QQ\n==", "QUJD===="} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got [wamidBytesMax]byte
		n := decodeBase64(&got, text)
		encoding := base64.StdEncoding
		if len(text)%4 != 0 {
			encoding = base64.RawStdEncoding
		}
		want, err := encoding.DecodeString(string(text))
		switch broken := bytes.ContainsAny(text, "\r\n"); {
		case n < 0 && err == nil && !broken && len(want)+2 <= wamidBytesMax:
			t.Fatalf("%q is base64 of %x", text, want)
		case n >= 0 && (err != nil || broken || !bytes.Equal(got[:n], want)):
			t.Fatalf("%q is decoded to %x, want %x, %v", text, got[:n], want, err)
		}
	})
}
