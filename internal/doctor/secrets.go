package doctor

import (
	"fmt"
	"strings"
)

// secretLengthMin is the length from which a secret counts as strong: Meta's app secrets are 32 hexadecimal digits.
const secretLengthMin = 16

func judgeSecrets(f *Facts, fr *finder) {
	if len(f.Sources) == 0 {
		fr.add(Skip, "ingress.sources", "", "no source is configured here; an ingress needs one")
	}
	for i := range f.Sources {
		s := &f.Sources[i]
		at := fmt.Sprintf("source %s", s.Name)
		if s.VerifyToken == "" {
			fr.add(Warn, at, "Set verify_token or verify_token_file to what the app's dashboard has.", "no verify token: every GET verification is refused, so the webhook cannot be subscribed")
		}
		if !s.SignatureRequired {
			fr.add(Warn, at, "Set signature_required: true once the sender signs.", "signatures are not required: anybody who knows the URL can write into the log")
		}
		for _, secret := range s.Secrets {
			on := at + ", secret " + secret.ID
			switch {
			case strings.TrimSpace(secret.Value) != secret.Value:
				fr.add(Fail, on, "Write the secret without spaces around it.", "begins or ends with white space: no signature will match")
			case len(secret.Value) < secretLengthMin:
				fr.add(Warn, on, "Copy the app secret again from the app's dashboard.", "has less than %d characters; app secrets have 32", secretLengthMin)
			}
		}
	}
	for _, s := range f.Secrets {
		switch {
		case s.Err != nil:
			fr.add(Fail, s.Path, "Make it readable for the user that coexstream runs as.", "%s cannot be looked at: %s", s.Key, oneLine(s.Err.Error()))
		case s.Mode.Perm()&0o002 != 0:
			fr.add(Fail, s.Path, "chmod 600 "+s.Path, "%s: everybody can write to it (%s)", s.Key, s.Mode.Perm())
		case s.Mode.Perm()&0o004 != 0:
			fr.add(Warn, s.Path, "chmod 600 "+s.Path+" (a Kubernetes secret: defaultMode 0440 and fsGroup)", "%s: everybody can read it (%s)", s.Key, s.Mode.Perm())
		}
	}
	judgeTokens(f.Tokens, fr)
	if len(f.Sources) == 0 && len(f.Secrets) == 0 && f.Tokens == nil {
		return
	}
	fr.fine("", "no fault in %s and %s", counted(len(f.Sources), "source"), numbered(len(f.Secrets), "file with secrets", "files with secrets"))
}

func judgeTokens(t *TokenFiles, fr *finder) {
	if t == nil {
		return
	}
	const reads = "Make them readable for the user that the desk runs as: without its token, a request waits."
	switch {
	case t.Absent:
		fr.add(Skip, t.Path, "", "%s is not on this machine; a desk needs it", t.Key)
		return
	case t.Err != nil:
		fr.add(Fail, t.Path, reads, "%s cannot be looked at: %s", t.Key, oneLine(t.Err.Error()))
		return
	}
	if len(t.Writable) > 0 {
		fr.add(Fail, t.Path, "chmod o-w "+some(t.Writable), "%s: everybody can write to %s", t.Key, some(t.Writable))
	}
	if len(t.Readable) > 0 {
		fr.add(Warn, t.Path, "chmod 600 "+some(t.Readable)+" (a Kubernetes secret: defaultMode 0440 and fsGroup)", "%s: everybody can read %s", t.Key, some(t.Readable))
	}
	if len(t.Unread) > 0 {
		fr.add(Fail, t.Path, reads, "%s: %s cannot be read", t.Key, some(t.Unread))
	}
}
