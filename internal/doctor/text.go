package doctor

import (
	"fmt"
	"strconv"
	"time"

	"github.com/coexstream/coexstream/internal/config"
)

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

func itoa(n int) string { return strconv.Itoa(n) }

// counted is a number with its noun, "1 topic" or "2 topics".
func counted(n int, noun string) string { return numbered(n, noun, noun+"s") }

// numbered is a number with the words for one, or with those for several.
func numbered(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return itoa(n) + " " + several
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// bytesText is a size for people, to three digits.
func bytesText[T int64 | uint64](n T) string {
	f := float64(n)
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if f < 1024 {
			return fmt.Sprintf("%.3g %s", f, unit)
		}
		f /= 1024
	}
	return fmt.Sprintf("%.3g TiB", f)
}

// ageText is a duration for people.
func ageText(d time.Duration) string {
	switch {
	case d >= time.Hour:
		d = d.Round(time.Minute)
	case d >= time.Second:
		d = d.Round(time.Second)
	default:
		d = d.Round(time.Millisecond)
	}
	return config.FormatDuration(d)
}
