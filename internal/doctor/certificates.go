package doctor

import "time"

// How long before its end a certificate is worth a look: those that renew themselves do so at a third of 90
// days.
const (
	certificateWarn = 14 * 24 * time.Hour
	certificateFail = 2 * 24 * time.Hour
)

func judgeCertificates(f *Facts, fr *finder) {
	for _, c := range f.Certificates {
		left := c.NotAfter.Sub(f.Now)
		renew := "Renew it; running processes take the new files by themselves (reload_interval)."
		switch {
		case c.Err != nil:
			fr.add(Fail, c.Path, "Correct the files that the key names.", "%s: %s", c.Key, oneLine(c.Err.Error()))
		case left <= 0:
			fr.add(Fail, c.Path, renew, "%s: expired %s ago", c.Key, ageText(-left))
		case f.Now.Before(c.NotBefore):
			fr.add(Fail, c.Path, "Look at this machine's clock, or wait.", "%s: valid only in %s", c.Key, ageText(c.NotBefore.Sub(f.Now)))
		case left < certificateFail:
			fr.add(Fail, c.Path, renew, "%s: expires in %s", c.Key, ageText(left))
		case left < certificateWarn:
			fr.add(Warn, c.Path, renew, "%s: expires in %s", c.Key, ageText(left))
		}
	}
	if len(f.Certificates) == 0 {
		fr.add(Skip, "", "", "no certificate is configured here")
		return
	}
	fr.fine("", "%s valid for longer than %s", numbered(len(f.Certificates), "certificate is", "certificates are"), ageText(certificateWarn))
}
