package ingress

import (
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/raw"
)

// statusCodes are the labels of requests, beside "other". The frequent ones come first.
var statusCodes = [...]int{200, 503, 401, 404, 403, 400, 405, 408, 413, 415, 417, 429, 431, 505}

// noSource is the label of requests that came to no source's path. No source can have this name.
const noSource = "(none)"

// serverMetrics are the metrics of a Server.
type serverMetrics struct {
	sources map[string]*sourceMetrics
	none    *sourceMetrics
	lanes   [2]prometheus.Counter

	handshakes, refusedAll, refusedClient prometheus.Counter
	acceptShortage, acceptOther           prometheus.Counter // connections that could not be accepted
	evicted                               evictedMetrics
	undecodedClient, undecodedAll         prometheus.Counter
	unverifiedDecodedBytes                atomic.Int64
	late, unread                          prometheus.Counter // connections whose time for a request, for an answer, was over
}

func newServerMetrics(reg prometheus.Registerer, sources []Source, inFlightBytes, connections func() float64) (*serverMetrics, error) {
	m := &serverMetrics{sources: map[string]*sourceMetrics{}}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_requests_total",
		Help: "Requests answered, by source and status code.",
	}, []string{"source", "code"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "coexstream_ingress_request_duration_seconds",
		Help:    "Time from the headers of a request to its answer.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
	}, []string{"source"})
	bodyBytes := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "coexstream_ingress_body_bytes",
		Help:    "Length of bodies on the wire.",
		Buckets: prometheus.ExponentialBuckets(256, 4, 8),
	}, []string{"source"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_signature_failures_total",
		Help: "Requests refused for their signature.",
	}, []string{"source", "reason"})
	certificates := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_client_certificate_failures_total",
		Help: "Requests refused because the client certificate that the source asks for is missing or has another name.",
	}, []string{"source", "reason"})
	limited := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_rate_limited_total",
		Help: "Requests refused because the source has used up its rate, by the limit that was reached.",
	}, []string{"source", "limit"})
	otherTypes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_other_content_types_total",
		Help: "Webhooks taken although their content type is not JSON, because their signature is right.",
	}, []string{"source"})
	verifications := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_verifications_refused_total",
		Help: "GET verifications with a verify token that was wrong, or was not looked at because there were too many wrong ones of its client address or of all.",
	}, []string{"source", "reason"})
	lanes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_records_total",
		Help: "Records that became durable, by lane.",
	}, []string{"topic"})
	handshakes := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "coexstream_ingress_tls_handshake_failures_total",
		Help: "Connections that ended in their TLS handshake.",
	})
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_connections_refused_total",
		Help: "Connections refused because there were too many, of all or of one client address.",
	}, []string{"limit"})
	acceptFailures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_accept_failures_total",
		Help: "Failed attempts to accept a connection. Reasons: no room in the process or the machine, such as too many open files (shortage); a failed connection or network (other).",
	}, []string{"reason"})
	undecoded := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_undecoded_total",
		Help: "Encoded bodies refused without being decoded, because too many bytes were decoded for wrong signatures or broken codings, for one client address or for all.",
	}, []string{"limit"})
	decoded := func() float64 { return float64(m.unverifiedDecodedBytes.Load()) }
	unverified := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "coexstream_ingress_unverified_decoded_bytes_total",
		Help: "Bytes decoded for webhooks with a wrong signature or a broken content coding.",
	}, decoded)
	formerName := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "coexstream_ingress_decoded_in_vain_bytes_total",
		Help: "Former name of coexstream_ingress_unverified_decoded_bytes_total. The next release removes it.",
	}, decoded)
	m.undecodedClient, m.undecodedAll = undecoded.WithLabelValues("client"), undecoded.WithLabelValues("all")
	evicted := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_connections_evicted_total",
		Help: "Connections closed because others wanted their room: idle or in the headers of a request (waiting), sending a body (receiving), idle after webhooks with the right signature (verified).",
	}, []string{"state"})
	cut := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_connections_timed_out_total",
		Help: "Connections whose time was over before the request was there, or before the client had read the answer.",
	}, []string{"phase"})
	m.handshakes, m.late, m.unread = handshakes, cut.WithLabelValues("request"), cut.WithLabelValues("answer")
	m.evicted = evictedMetrics{evicted.WithLabelValues("waiting"), evicted.WithLabelValues("receiving"), evicted.WithLabelValues("verified")}
	m.acceptShortage, m.acceptOther = acceptFailures.WithLabelValues("shortage"), acceptFailures.WithLabelValues("other")
	m.refusedAll, m.refusedClient = refused.WithLabelValues("all"), refused.WithLabelValues("client")
	gauges := []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "coexstream_ingress_in_flight_bytes",
			Help: "Bytes reserved for bodies that are being read or wait to be durable.",
		}, inFlightBytes),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "coexstream_ingress_connections",
			Help: "Open connections.",
		}, connections),
	}
	of := func(name string) *sourceMetrics {
		sm := &sourceMetrics{
			duration: duration.WithLabelValues(name), bodyBytes: bodyBytes.WithLabelValues(name),
			signatureMissing:    failures.WithLabelValues(name, "missing"),
			signatureMalformed:  failures.WithLabelValues(name, "malformed"),
			signatureMismatch:   failures.WithLabelValues(name, "mismatch"),
			certificateMissing:  certificates.WithLabelValues(name, "missing"),
			certificateOther:    certificates.WithLabelValues(name, "mismatch"),
			tokensWrong:         verifications.WithLabelValues(name, "wrong"),
			tokensLimitedClient: verifications.WithLabelValues(name, "client"),
			tokensLimitedAll:    verifications.WithLabelValues(name, "all"),
			limitedRequests:     limited.WithLabelValues(name, "requests"),
			limitedBytes:        limited.WithLabelValues(name, "bytes"),
			otherTypes:          otherTypes.WithLabelValues(name),
		}
		for i, code := range statusCodes {
			sm.codes[i] = requests.WithLabelValues(name, strconv.Itoa(code))
		}
		sm.codes[len(statusCodes)] = requests.WithLabelValues(name, "other")
		return sm
	}
	for i := range sources {
		m.sources[sources[i].Name] = of(sources[i].Name)
	}
	m.none = &sourceMetrics{duration: duration.WithLabelValues(noSource)}
	for i, code := range statusCodes {
		m.none.codes[i] = requests.WithLabelValues(noSource, strconv.Itoa(code))
	}
	m.none.codes[len(statusCodes)] = requests.WithLabelValues(noSource, "other")
	for _, t := range raw.Topics() {
		m.lanes[raw.Lane(t)] = lanes.WithLabelValues(t.String())
	}
	return m, register(reg, append(gauges, requests, duration, bodyBytes, failures, certificates, limited, otherTypes, verifications, lanes, handshakes, refused, acceptFailures, evicted, undecoded, unverified, formerName, cut)...)
}

func register(reg prometheus.Registerer, collectors ...prometheus.Collector) error {
	for _, c := range collectors {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register ingress metrics: %w", err)
		}
	}
	return nil
}
