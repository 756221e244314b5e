package split

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// historyBody returns a history chunk of about size bytes in Meta's form: compact, with other characters than ASCII
// escaped, and a few messages per thread.
func historyBody(size int) []byte {
	rng := rand.New(rand.NewPCG(7, 11))
	texts := []string{
		`Here's the info you requested! https://www.meta.com/quest/quest-3/`,
		`Ol\u00e1, voc\u00eas t\u00eam hor\u00e1rio para amanh\u00e3 \u00e0s 15h? Obrigada \ud83d\ude0a`,
		`Thanks!`,
		`Your order 58213 has left our warehouse and should be with you by Thursday.\nTrack it here: https:\/\/example.com\/t\/58213`,
		`\u0645\u0631\u062d\u0628\u0627 \u0628\u0643`,
	}
	var b bytes.Buffer
	b.WriteString(`{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","time":1739212624,"changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"history":[{"metadata":{"phase":1,"chunk_order":3,"progress":55},"threads":[`)
	for thread := 0; b.Len() < size; thread++ {
		if thread > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"1650555%04d","messages":[`, thread)
		for m := range 12 {
			if m > 0 {
				b.WriteByte(',')
			}
			from := "15550783881"
			if rng.IntN(2) == 0 {
				from = fmt.Sprintf("1650555%04d", thread)
			}
			fmt.Fprintf(&b, `{"from":"%s","id":"wamid.HBgLMTY0NjcwNDM1OTUVAgARGBIyNDlBOEI5QUQ4NDc0%08X%04XAA==","timestamp":"%d","type":"text","text":{"body":"%s"},"history_context":{"status":"READ"}}`,
				from, thread, m, 1739230955-rng.IntN(1_000_000), texts[rng.IntN(len(texts))])
		}
		b.WriteString(`]}`)
	}
	b.WriteString(`]}]},"field":"history"}]}]}`)
	return b.Bytes()
}

var benchSizes = []struct {
	name string
	size int
}{{"10KB", 10 << 10}, {"1MB", 1 << 20}, {"3MB", 3 << 20}}

func BenchmarkScan(b *testing.B) {
	for _, bs := range benchSizes {
		body := historyBody(bs.size)
		b.Run(bs.name, func(b *testing.B) {
			s := NewScanner(Limits{})
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			if _, err := s.Scan(body); err != nil { // to its size
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.Scan(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkScanScripts reads messages whose texts are not ASCII, escaped as Meta sends them and in UTF-8
// as partners may.
func BenchmarkScanScripts(b *testing.B) {
	for name, text := range map[string]string{
		"escaped": strings.Repeat(`\u0645\u0631\u062d\u0628\u0627 \ud83d\ude0a `, 5),
		"UTF-8":   strings.Repeat("مرحبا 😊 日本語 ", 8),
	} {
		message := `{"from":"15550783881","id":"wamid.HBgLMTY0NjcwNDM1OTUVAgARGBIyNDlBOEI5QUQ4NDc0","timestamp":"1739230955","type":"text","text":{"body":"` +
			text + `"},"history_context":{"status":"READ"}},`
		body := []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"messages":[` +
			strings.TrimSuffix(strings.Repeat(message, (1<<20)/len(message)), ",") + `]}}]}]}`)
		b.Run(name, func(b *testing.B) {
			s := NewScanner(Limits{})
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			if _, err := s.Scan(body); err != nil { // to its size
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.Scan(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkJSONText reads the same bodies' tokens with jsontext, and keeps none of them.
func BenchmarkJSONText(b *testing.B) {
	for _, bs := range benchSizes {
		body := historyBody(bs.size)
		b.Run(bs.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			d := jsontext.NewDecoder(bytes.NewReader(body))
			for b.Loop() {
				d.Reset(bytes.NewBuffer(body))
				for {
					if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkEncodingJSON decodes the same bodies into structs with the standard library.
func BenchmarkEncodingJSON(b *testing.B) {
	type message struct {
		ID, From, To, Type string
		Timestamp          string
		HistoryContext     struct{ Status string } `json:"history_context"`
	}
	type webhook struct {
		Entry []struct {
			ID      string
			Changes []struct {
				Field string
				Value struct {
					History []struct {
						Metadata struct {
							Phase, Progress int32
							ChunkOrder      int32 `json:"chunk_order"`
						}
						Threads []struct {
							ID       string
							Messages []message
						}
					}
				}
			}
		}
	}
	for _, bs := range benchSizes {
		body := historyBody(bs.size)
		b.Run(bs.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				var w webhook
				if err := json.Unmarshal(body, &w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
