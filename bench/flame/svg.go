package flame

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Sizes in pixels.
const (
	width     = 1200
	rowHeight = 17
	margin    = 12
	header    = 62
	charWidth = 6.1 // of the font below, on average
	least     = 1.5 // narrower boxes are left out
)

// kind is a class of code with a colour of its own.
type kind struct {
	title, fill string
	has         func(pkg string) bool
}

func within(prefixes ...string) func(string) bool {
	return func(pkg string) bool {
		for _, p := range prefixes {
			if pkg == p || strings.HasPrefix(pkg, p+"/") {
				return true
			}
		}
		return false
	}
}

// kinds are tried in order.
var kinds = []kind{
	{"coexstream", "#9ecbff", within("github.com/coexstream/coexstream", "main")},
	{"Kafka clients", "#ffd591", within("github.com/segmentio/kafka-go", "github.com/twmb/franz-go")},
	{"HTTP", "#d2b4f0", within("github.com/valyala/fasthttp", "net/http", "bufio")},
	{"checksums, signatures, compression", "#a8e6b0", within("crypto", "hash", "github.com/klauspost", "github.com/cespare", "github.com/pierrec", "vendor/golang.org/x/crypto")},
	{"system calls and the network", "#ffb3b3", within("syscall", "internal/runtime/syscall", "net", "internal/poll", "os")},
	{"Go runtime and library", "#dfe3e8", func(string) bool { return true }},
}

func (n *Node) kind() *kind {
	for i := range kinds {
		if kinds[i].has(n.Package) {
			return &kinds[i]
		}
	}
	return &kinds[len(kinds)-1]
}

// Draw writes the picture.
func Draw(w io.Writer, title, note string, root *Node) error {
	var b strings.Builder
	depth := 0
	perPixel := float64(root.Time) / (width - 2*margin)
	var boxes strings.Builder
	var draw func(n *Node, x float64, row int)
	draw = func(n *Node, x float64, row int) {
		wide := float64(n.Time) / perPixel
		if wide < least {
			return
		}
		depth = max(depth, row+1)
		y := header + row*rowHeight
		fmt.Fprintf(&boxes, `<g><title>%s: %s, %.1f %%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`,
			escape(strings.TrimPrefix(n.full(), ".")), n.Time.Round(time.Millisecond), 100*float64(n.Time)/float64(root.Time), x, y, wide-0.5, rowHeight-1, n.kind().fill)
		if text := fit(n.label(), wide); text != "" {
			fmt.Fprintf(&boxes, `<text x="%.1f" y="%d">%s</text>`, x+3, y+12, escape(text))
		}
		boxes.WriteString("</g>\n")
		for _, c := range n.Children {
			draw(c, x, row+1)
			x += float64(c.Time) / perPixel
		}
	}
	draw(root, margin, 0)
	high := header + depth*rowHeight + margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d">
<style>text{font:11px Verdana,DejaVu Sans,sans-serif;fill:#1f2328}.title{font-size:14px;font-weight:bold}.note{fill:#59636e}</style>
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="%[3]d" y="20" class="title">%[4]s</text>
<text x="%[3]d" y="36" class="note">%[5]s</text>
`, width, high, margin, escape(title), escape(note))
	x := float64(margin)
	for _, k := range kinds {
		fmt.Fprintf(&b, `<rect x="%.0f" y="44" width="11" height="11" fill="%s"/><text x="%.0f" y="53">%s</text>`+"\n", x, k.fill, x+15, escape(k.title))
		x += 15 + float64(len(k.title))*charWidth + 22
	}
	b.WriteString(boxes.String())
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// fit is as much of a text as has room.
func fit(text string, wide float64) string {
	room := int((wide - 6) / charWidth)
	switch n := utf8.RuneCountInString(text); {
	case room < 3:
		return ""
	case n <= room:
		return text
	}
	return string([]rune(text)[:room-1]) + "…"
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
