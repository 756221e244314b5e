package route

import "github.com/coexstream/coexstream/schemas/provider"

// historyEnding ends every provider's word for history. One search for it finds all.
const historyEnding = "history"

// The words of all providers: a body is routed before its envelope is known.
var historyWords, wabaNames, wrapped = wordsOf(provider.All())

// wordsOf returns the words for history, the names of members with a WABA id, each with the quote behind it, and the wrapped
// envelopes.
func wordsOf(all []*provider.Provider) (history []provider.Word, wabas []string, wrapped []*provider.Wrapped) {
	for _, p := range all {
		history = append(history, p.Words.History...)
		if p.Words.WABA != "" {
			wabas = append(wabas, p.Words.WABA+`"`)
		}
		if w := p.Envelope.Wrapped; w != nil {
			wrapped = append(wrapped, w)
		}
	}
	return history, wabas, wrapped
}
