package schemas

import (
	"encoding/binary"
	"encoding/hex"
	"testing"
)

func TestHashIsWrittenInHexadecimalDigitsOfBothHalvesInOrder(t *testing.T) {
	for c := range 256 {
		var b [16]byte
		for i := range b {
			b[i] = byte(c + 17*i) // every byte in every place
		}
		h := Hash{Hi: binary.BigEndian.Uint64(b[:8]), Lo: binary.BigEndian.Uint64(b[8:])}
		if got, want := string(h.AppendHex([]byte("id "))), "id "+hex.EncodeToString(b[:]); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		if got, want := h.Hex(), hex.EncodeToString(b[:]); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
}
