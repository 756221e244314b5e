package split

import (
	"maps"
	"testing"
)

// TestNothingOfABodyStaysForTheNextOne: a handover has the type of its own body, after any other body.
func TestNothingOfABodyStaysForTheNextOne(t *testing.T) {
	handovers := map[string]string{ // body, and its type
		`{"messaging_product":"whatsapp","recipient":{"phone_number_id":"1"},"sender":{"wa_id":"2"},"timestamp":1,"type":"control_taken","control_taken":{}}`:                                                                       "control_taken",
		`{"messaging_product":"whatsapp","recipient":{"phone_number_id":"1"},"sender":{"wa_id":"2"},"timestamp":1,"control_taken":{}}`:                                                                                              "",
		`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messaging_handovers","value":{"recipient":{"phone_number_id":"1"},"sender":{"wa_id":"2"},"timestamp":1}}]}]}`:                                "",
		`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messaging_handovers","value":{"recipient":{"phone_number_id":"1"},"sender":{"wa_id":"2"},"timestamp":1,"type":"control_passed"}}]}]}`:        "control_passed",
		`{"id":"e","type":"x","object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messaging_handovers","value":{"recipient":{"phone_number_id":"1"},"sender":{"wa_id":"2"},"timestamp":1,"type":"p"}}]}]}`: "p",
	}
	s := NewScanner(Limits{})
	for _, before := range []string{
		`{"messaging_product":"whatsapp","metadata":{"phone_number_id":"1"},"type":"of another tenant","messages":[{"id":"m"}]}`,
		`{"messaging_product":"whatsapp","recipient":{"phone_number_id":"1"},"type":"of another tenant","control_taken":{}}`,
		`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messaging_handovers","value":{"recipient":{"phone_number_id":"1"},"type":"of another tenant"}}]}]}`,
	} {
		for body, want := range handovers {
			if _, err := s.Scan([]byte(before)); err != nil {
				t.Fatal(err)
			}
			b, err := s.Scan([]byte(body))
			if err != nil || len(b.Changes) != 1 || len(b.Changes[0].Handovers) != 1 {
				t.Fatalf("%s: %v", body, err)
			}
			if got := string(b.Changes[0].Handovers[0].Type); got != want {
				t.Errorf("the type is %q, want %q, after %s: %s", got, want, before, body)
			}
		}
	}
}

// TestABodyIsCutTheSameBehindAnyOther: what a scanner gives of a body does not depend on the body before, for each pair of
// the samples.
func TestABodyIsCutTheSameBehindAnyOther(t *testing.T) {
	all := map[string]string{}
	maps.Copy(all, samples)
	maps.Copy(all, looseSamples)
	give := func(s *Scanner, body string) string {
		b, err := s.Scan([]byte(body))
		if err != nil {
			return err.Error()
		}
		return dump(b)
	}
	fresh := map[string]string{}
	for name, body := range all {
		fresh[name] = give(NewScanner(wideLimits), body)
	}
	s := NewScanner(wideLimits)
	for former, before := range all {
		for name, body := range all {
			give(s, before)
			if got := give(s, body); got != fresh[name] {
				t.Errorf("%s is another one behind %s: %s", name, former, diffLines(got, fresh[name]))
			}
		}
	}
}
