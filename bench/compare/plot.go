package compare

import (
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Sizes of the picture, in pixels.
const (
	plotWidth   = 860
	plotName    = 300 // room for the contestants' names
	plotNumber  = 90  // room for the numbers
	plotBar     = 16
	plotStep    = 24
	plotHeading = 44
	plotMargin  = 16
)

// WritePlot draws a panel of bars for each outcome: the median, with a line from the least to the most.
func (r *Report) WritePlot(path string) error {
	var b strings.Builder
	y := plotMargin
	text := func(x, y int, class, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" class="%s">`, x, y, class)
		_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
		b.WriteString("</text>\n")
	}
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		bars := o.bars()
		if len(bars) == 0 {
			continue
		}
		m := o.Metrics[slices.IndexFunc(o.Metrics, func(m Metric) bool { return m.Key == o.Plot })]
		better := "less is better"
		if m.More {
			better = "more is better"
		}
		text(plotMargin, y+14, "title", o.Title)
		text(plotMargin, y+32, "note", fmt.Sprintf("%s in %s, %s; median of %d, line from least to most", m.Title, m.Unit, better, o.Rounds))
		y += plotHeading
		most := 0.0
		for _, s := range bars {
			most = max(most, s.Figures[o.Plot].Max)
		}
		if most == 0 {
			most = 1
		}
		room := float64(plotWidth - plotName - plotNumber - 2*plotMargin)
		x := func(v float64) int { return plotMargin + plotName + int(room*v/most) }
		for j, s := range bars {
			f := s.Figures[o.Plot]
			class := "bar"
			if j == 0 {
				class = "subject"
			}
			text(plotMargin, y+plotBar-4, "name", s.Name)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" class="%s"/>`+"\n", x(0), y, max(x(f.Median)-x(0), 1), plotBar, class)
			fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" class="spread"/>`+"\n", x(f.Min), y+plotBar/2, x(f.Max), y+plotBar/2)
			text(x(f.Max)+6, y+plotBar-4, "number", f.String())
			y += plotStep
		}
		y += plotMargin
	}
	for line := range strings.Lines(r.Head()) {
		text(plotMargin, y+12, "note", strings.TrimSpace(line))
		y += plotBar
	}
	y += plotMargin
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d">
<style>text{font:12px sans-serif;fill:#1f2328}.title{font-weight:bold;font-size:13px}.note{fill:#59636e;font-size:11px}
.subject{fill:#0969da}.bar{fill:#9aa4af}.spread{stroke:#1f2328}</style>
<rect width="100%%" height="100%%" fill="#fff"/>
%[3]s</svg>
`, plotWidth, y, b.String())
	if err := os.WriteFile(path, []byte(svg), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// bars are the contestants that have the metric of the picture.
func (o *Outcome) bars() []Standing {
	var bars []Standing
	for _, s := range o.Standing {
		if _, ok := s.Figures[o.Plot]; ok {
			bars = append(bars, s)
		}
	}
	return bars
}
