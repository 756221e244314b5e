package embedded

import (
	"math"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// listAborted keeps read-committed readers from seeing aborted records. kfake stops filling a response at the
// request's MaxBytes, and then leaves out the list of aborted transactions of the partition that it was at.
// Each partition's own limit works as it should, so the request's is lifted.
func listAborted(cluster *kfake.Cluster) {
	cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if r, ok := req.(*kmsg.FetchRequest); ok && r.IsolationLevel != 0 {
			r.MaxBytes = math.MaxInt32
		}
		return nil, nil, false
	})
}
