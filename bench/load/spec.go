package load

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Spec says what to send, where, and how fast. It travels to the load's process as JSON.
type Spec struct {
	URL     string            `json:"url"`               // http://host:port/path
	Secret  string            `json:"secret,omitempty"`  // of the HMAC-SHA256 in X-Hub-Signature-256; empty: unsigned
	Headers map[string]string `json:"headers,omitempty"` // beside Host, Content-Type, Content-Length and the signature

	// Wrap says in what each body is sent: WrapOTLP, or nothing for as it is.
	Wrap string `json:"wrap,omitempty"`

	// Brokers and Topic, instead of URL, send the bodies straight to Kafka: the part of an answer's time
	// that is the broker's.
	Brokers []string `json:"brokers,omitempty"`
	Topic   string   `json:"topic,omitempty"`

	Connections int           `json:"connections"`
	Rate        float64       `json:"rate"` // requests a second; 0: closed loop
	Duration    time.Duration `json:"duration"`
	Timeout     time.Duration `json:"timeout"` // of one request

	Run uint32 `json:"run"` // tells the bodies of this run from those of others
	Mix []Kind `json:"mix"`

	// Due, if set, is called before a body is sent, with the moment from which its time runs. It is for who
	// calls Run itself, and called by several goroutines at once.
	Due func(Identity, time.Time) `json:"-"`
}

// Kind is one kind of body in the mix.
type Kind struct {
	Name   string `json:"name"`   // echo, contacts or history
	Bytes  int    `json:"bytes"`  // exact length of each body
	Weight int    `json:"weight"` // share of the requests, relative to the others
}

// WrapOTLP is for a server that takes no webhooks as they are: the body is the one log record of an OTLP/JSON
// request.
const WrapOTLP = "otlp"

// Names of kinds.
const (
	Echo     = "echo"
	Contacts = "contacts"
	History  = "history"
)

// Standard is the mix of a day with onboardings: mostly echoes, some address books, few but large chunks.
func Standard() []Kind {
	return []Kind{
		{Echo, 1 << 10, 900}, {Contacts, 10 << 10, 80}, {History, 1 << 20, 15}, {History, 3_000_000, 5},
	}
}

// Validate names the key, its value and the allowed values.
func (s *Spec) Validate() error {
	if len(s.Brokers) == 0 {
		u, err := url.Parse(s.URL)
		if err != nil || u.Scheme != "http" || u.Port() == "" {
			return fmt.Errorf("url: %q is not allowed, only http://host:port/path", s.URL)
		}
	} else if s.Topic == "" {
		return errors.New("topic: it is empty; brokers need one")
	}
	switch {
	case s.Wrap != "" && s.Wrap != WrapOTLP:
		return fmt.Errorf("wrap: %q is not allowed, only %q or nothing", s.Wrap, WrapOTLP)
	case s.Connections < 1 || s.Connections > maxConnections:
		return fmt.Errorf("connections: %d is not allowed, only 1 to %d", s.Connections, maxConnections)
	case !(s.Rate >= 0 && s.Rate <= 1e6):
		return fmt.Errorf("rate: %v is not allowed, only 0 to 1000000", s.Rate)
	case s.Duration <= 0:
		return fmt.Errorf("duration: %s is not allowed, only more than 0", s.Duration)
	case s.Timeout <= 0:
		return fmt.Errorf("timeout: %s is not allowed, only more than 0", s.Timeout)
	case len(s.Mix) == 0:
		return errors.New("mix: it is empty; at least one kind is needed")
	}
	for _, k := range s.Mix {
		if _, ok := kinds[k.Name]; !ok {
			return fmt.Errorf("mix: kind %q is not allowed, only %s, %s and %s", k.Name, Echo, Contacts, History)
		}
		if k.Bytes < kinds[k.Name].least || k.Bytes > 16<<20 {
			return fmt.Errorf("mix: %s of %d bytes is not allowed, only %d to %d", k.Name, k.Bytes, kinds[k.Name].least, 16<<20)
		}
		if k.Weight < 1 {
			return fmt.Errorf("mix: weight %d of %s is not allowed, only 1 and more", k.Weight, k.Name)
		}
	}
	return nil
}
