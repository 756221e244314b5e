package admin

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// ProfileMax is the longest profile or trace. A trace of a busy process grows by megabytes a second.
const ProfileMax = time.Minute

// bounded lets only those profiles be taken that end in time. It reads seconds as net/http/pprof does.
func bounded(profile http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if given := r.FormValue("seconds"); given != "" {
			n, err := strconv.ParseFloat(given, 64)
			if within := n >= 0 && n <= ProfileMax.Seconds(); err != nil || !within { // NaN is not
				answer(w, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("seconds: not allowed; allowed: 0 to %g", ProfileMax.Seconds())})
				return
			}
		}
		profile(w, r)
	}
}
